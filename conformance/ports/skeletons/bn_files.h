/* Files of an export, for a port in C: reads DIR/index.txt and the inputs, writes outputs into their slots.

   Written for float32; what DIR/port.json says it cannot is passed over. The port defines `run_step` and calls `run_cases`:

       static void run_step(Case *c, int step, float *layer[4], int *updates);     layer: gamma, beta, running_mean, running_var
       int main(int count, char **words) { return run_cases(count, words); }

   Formats: EXPORT.md in every export. */

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_AXES = 8, MOST_TENSORS = 512, MOST_STEPS = 64, WORD = 256 };

typedef struct {
    char name[WORD], type[WORD], path[WORD];
    int rank;
    long size[MOST_AXES], bytes, offset;
} Tensor;

typedef struct {
    char id[WORD], raises[WORD], decay[WORD], types[3][WORD], mode[MOST_STEPS][WORD];
    int axes, axis[MOST_AXES], steps, options, inputs, outputs;
    double eps;
    Tensor input[MOST_TENSORS], output[MOST_TENSORS];
} Case;

static const char *folder;

static void die(const char *what, const char *where)
{
    fprintf(stderr, "bn: %s: %s\n", what, where);
    exit(1);
}

static void *need(void *memory)
{
    if (!memory)
        die("no memory", "malloc");
    return memory;
}

/* ---- index.txt ---- */

static void tensor(FILE *index, Tensor *t)
{
    if (fscanf(index, "%255s %255s %d", t->name, t->type, &t->rank) != 3 || t->rank < 0 || t->rank > MOST_AXES)
        die("cannot read a tensor", t->name);
    for (int k = 0; k < t->rank; k++)
        if (fscanf(index, "%ld", &t->size[k]) != 1)
            die("cannot read sizes", t->name);
    if (fscanf(index, "%ld %ld %255s", &t->bytes, &t->offset, t->path) != 3)
        die("cannot read the place", t->name);
}

static int next_case(FILE *index, Case *c)
{
    char word[WORD], text[WORD];
    int number;
    c->steps = c->options = c->inputs = c->outputs = 0;
    while (fscanf(index, "%255s", word) == 1) {
        int good = 1;
        if (!strcmp(word, "end"))
            return 1;
        else if (!strcmp(word, "case"))
            good = fscanf(index, "%255s", c->id) == 1;
        else if (!strcmp(word, "raises"))
            good = fscanf(index, "%255s", c->raises) == 1;
        else if (!strcmp(word, "channel_axes")) {
            good = fscanf(index, "%d", &c->axes) == 1 && c->axes <= MOST_AXES;
            for (int k = 0; good && k < c->axes; k++)
                good = fscanf(index, "%d", &c->axis[k]) == 1;
        } else if (!strcmp(word, "eps"))
            good = fscanf(index, "%lf", &c->eps) == 1;
        else if (!strcmp(word, "decay"))
            good = fscanf(index, "%255s", c->decay) == 1;
        else if (!strcmp(word, "dtypes"))
            good = fscanf(index, "%255s %255s %255s", c->types[0], c->types[1], c->types[2]) == 3;
        else if (!strcmp(word, "step"))
            good = fscanf(index, "%d %255s", &number, text) == 2 && number < MOST_STEPS && strcpy(c->mode[c->steps++], text);
        else if (!strcmp(word, "input") && c->inputs < MOST_TENSORS)
            tensor(index, &c->input[c->inputs++]);
        else if (!strcmp(word, "output") && c->outputs < MOST_TENSORS)
            tensor(index, &c->output[c->outputs++]);
        else {
            c->options += !strcmp(word, "option");
            good = fscanf(index, "%*[^\n]") != EOF;
        }
        if (!good)
            die("cannot read the index at", word);
    }
    return 0;
}

/* ---- tensors ---- */

static Tensor *find(Tensor *list, int count, int step, const char *name)
{
    char full[WORD];
    if (step < 0)
        snprintf(full, sizeof full, "%s", name);
    else
        snprintf(full, sizeof full, "%d.%s", step, name);
    for (int k = 0; k < count; k++)
        if (!strcmp(list[k].name, full))
            return &list[k];
    return NULL;
}

static FILE *at(const Tensor *t, const char *how)
{
    char path[3 * WORD];
    snprintf(path, sizeof path, "%s/%s", folder, t->path);
    FILE *file = fopen(path, how);
    if (!file || fseek(file, t->offset, SEEK_SET))
        die("cannot open", path);
    return file;
}

static float *load(const Tensor *t)
{
    if (!t)
        return NULL;
    float *values = need(malloc(t->bytes + 1));
    FILE *file = at(t, "rb");
    if (fread(values, 1, t->bytes, file) != (size_t)t->bytes)
        die("cannot read", t->path);
    fclose(file);
    return values;
}

static void save(Case *c, int step, const char *name, const float *values)
{
    Tensor *t = find(c->output, c->outputs, step, name);
    if (!t || !values)
        return;
    FILE *file = at(t, "r+b");
    if (fwrite(values, 1, t->bytes, file) != (size_t)t->bytes || fclose(file))
        die("cannot write", t->path);
}

/* ---- which channel an element belongs to ---- */

typedef struct {
    long channels, total;
    long *channel; /* of each element of x, row by row over the axes in the order given [BN-1.4] */
} Layout;

static Layout layout_of(const Case *c, const Tensor *x)
{
    Layout out = {1, x->bytes / (long)sizeof(float), NULL};
    out.channel = need(malloc(out.total * sizeof(long) + 1));
    for (int k = 0; k < c->axes; k++)
        out.channels *= x->size[c->axis[k]];
    for (long i = 0; i < out.total; i++) {
        long at[MOST_AXES], rest = i, found = 0;
        for (int k = x->rank - 1; k >= 0; k--) {
            at[k] = rest % x->size[k];
            rest /= x->size[k];
        }
        for (int k = 0; k < c->axes; k++)
            found = found * x->size[c->axis[k]] + at[c->axis[k]];
        out.channel[i] = found;
    }
    return out;
}

static float *zeros(long count)
{
    return need(calloc(count + 1, sizeof(float)));
}

/* What port.json says it cannot: nothing is written for it. */
static int possible(const Case *c)
{
    static const char *more[] = {"mask", "x_dot", "u_x"};
    int good = !strcmp(c->raises, "-") && !c->options;
    for (int k = 0; k < 3; k++)
        good = good && !strcmp(c->types[k], "float32");
    for (int k = 0; good && k < c->steps; k++) {
        good = !strcmp(c->mode[k], "train") || !strcmp(c->mode[k], "infer") || !strcmp(c->mode[k], "frozen");
        for (int n = 0; good && n < 3; n++)
            good = !find((Tensor *)c->input, c->inputs, k, more[n]);
    }
    return good;
}

static void run_step(Case *c, int step, float *layer[4], int *updates);

static int run_cases(int count, char **words)
{
    static Case c;
    char path[WORD], first[WORD];
    if (count != 2)
        die("usage", "bn DIR");
    folder = words[1];
    snprintf(path, sizeof path, "%s/index.txt", folder);
    FILE *index = fopen(path, "r");
    if (!index || fscanf(index, "%255s", first) != 1 || strcmp(first, "bnconform-export/1"))
        die("no index of version 1", path);
    int done = 0;
    while (next_case(index, &c)) {
        if (!possible(&c))
            continue;
        float *layer[4];
        const char *names[] = {"gamma", "beta", "running_mean", "running_var"};
        int updates[2] = {0, 0};
        for (int k = 0; k < 4; k++)
            layer[k] = load(find(c.input, c.inputs, -1, names[k]));
        for (int k = 0; k < c.steps; k++)
            run_step(&c, k, layer, updates);
        for (int k = 0; k < 4; k++)
            free(layer[k]);
        done++;
    }
    fclose(index);
    printf("%d cases\n", done);
    return 0;
}
