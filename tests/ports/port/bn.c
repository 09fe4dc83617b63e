/* Batch normalization in float32, as a port of bnconform without Python: reads DIR/index.txt, fills the slots.

       cc -O2 -o bn bn.c -lm && bnconform export DIR && cp port.json DIR/ && ./bn DIR && bnconform judge DIR

   Training and inference, forward and backward, running statistics; any rank, any channel axes. Everything else is left to
   port.json's "cannot". -DMISTAKE=N builds a wrong one, see below. */

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef MISTAKE
#define MISTAKE 0 /* 1: running variance with ddof 0; 2: eps outside the root; 3: dx without its x_hat term; 4: state never updated */
#endif

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

/* ---- batch normalization ---- */

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

static void moments(const Layout *l, const float *x, float m, float *mean, float *var)
{
    for (long i = 0; i < l->total; i++)
        mean[l->channel[i]] += x[i];
    for (long k = 0; k < l->channels; k++)
        mean[k] /= m;
    for (long i = 0; i < l->total; i++) {
        float d = x[i] - mean[l->channel[i]];
        var[l->channel[i]] += d * d;
    }
    for (long k = 0; k < l->channels; k++)
        var[k] /= m;
}

static void blend(float *running, const float *new, float factor, float decay, long count)
{
    for (long k = 0; running && MISTAKE != 4 && k < count; k++)
        running[k] = decay * running[k] + (1 - decay) * (factor * new[k]);
}

static void run_step(Case *c, int step, float *gamma, float *beta, float *running_mean, float *running_var, int *updates)
{
    Tensor *given = find(c->input, c->inputs, step, "x");
    float *x = load(given), *dy = load(find(c->input, c->inputs, step, "dy"));
    Layout l = layout_of(c, given);
    long n = l.channels;
    float m = n ? (float)(l.total / n) : 0, eps = (float)c->eps;
    int training = !strcmp(c->mode[step], "train");
    float *mean = running_mean, *var = running_var, *batch_mean = zeros(n), *batch_var = zeros(n);
    float *y = zeros(l.total), *dx = zeros(l.total), *dgamma = zeros(n), *dbeta = zeros(n), *r = zeros(n), *hat = zeros(l.total);

    if (training) {
        moments(&l, x, m, batch_mean, batch_var); /* m = 0 gives 0/0: the statistics do not exist [BN-7.2] */
        mean = batch_mean;
        var = batch_var;
    }
    for (long k = 0; k < n; k++)
        r[k] = MISTAKE == 2 ? 1 / (sqrtf(var[k]) + eps) : 1 / sqrtf(var[k] + eps);
    for (long i = 0; i < l.total; i++) {
        long k = l.channel[i];
        hat[i] = (x[i] - mean[k]) * r[k];
        y[i] = (gamma ? gamma[k] : 1) * hat[i] + (beta ? beta[k] : 0);
        if (dy) {
            dbeta[k] += dy[i];
            dgamma[k] += dy[i] * hat[i];
        }
    }
    for (long i = 0; dy && i < l.total; i++) { /* BN-5.1, BN-5.2 */
        long k = l.channel[i];
        float through = training ? dbeta[k] / m + (MISTAKE == 3 ? 0 : hat[i] * (dgamma[k] / m)) : 0;
        dx[i] = (gamma ? gamma[k] : 1) * r[k] * (dy[i] - through);
    }
    if (training) { /* a statistic that does not exist leaves the state as it was [BN-3.5] */
        int cumulative = !strcmp(c->decay, "cumulative");
        float decay = cumulative ? 1 - 1.0f / (updates[0] + 1) : (float)atof(c->decay);
        if (m > 0) {
            blend(running_mean, batch_mean, 1, decay, n);
            updates[0]++;
        }
        decay = cumulative ? 1 - 1.0f / (updates[1] + 1) : decay;
        if (m > 1) {
            blend(running_var, batch_var, MISTAKE == 1 ? 1 : m / (m - 1), decay, n);
            updates[1]++;
        }
    }
    save(c, step, "y", y);
    save(c, step, "batch_mean", batch_mean);
    save(c, step, "batch_var", batch_var);
    save(c, step, "dx", dx);
    save(c, step, "dgamma", dgamma);
    save(c, step, "dbeta", dbeta);
    save(c, step, "running_mean", running_mean);
    save(c, step, "running_var", running_var);
    free(x), free(dy), free(l.channel), free(batch_mean), free(batch_var);
    free(y), free(dx), free(dgamma), free(dbeta), free(r), free(hat);
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

int main(int count, char **words)
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
            run_step(&c, k, layer[0], layer[1], layer[2], layer[3], updates);
        for (int k = 0; k < 4; k++)
            free(layer[k]);
        done++;
    }
    fclose(index);
    printf("%d cases\n", done);
    return 0;
}
