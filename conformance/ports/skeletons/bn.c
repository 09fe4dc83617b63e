/* Batch normalization as a port of bnconform without Python: a place to begin. It builds and runs, and writes nothing yet.

       cc -O2 -o bn bn.c -lm && bnconform export DIR && cp port.json DIR/ && ./bn DIR && bnconform judge DIR

   Climb: inference, then training, then the state, then gradients; the first screen says which level is reached. */

#include "bn_files.h"

/* One step of a layer. layer: gamma, beta, running_mean, running_var, NULL where the layer has none; the last two are
   yours to change. updates: counts of yours, for the cumulative average (c->decay is then "cumulative"). */
static void run_step(Case *c, int step, float *layer[4], int *updates)
{
    Tensor *given = find(c->input, c->inputs, step, "x");
    float *x = load(given), *dy = load(find(c->input, c->inputs, step, "dy")); /* dy: NULL where no gradient is asked */
    Layout l = layout_of(c, given); /* l.channel[i]: the channel of x[i]; l.channels of them; l.total elements */
    int training = !strcmp(c->mode[step], "train");
    (void)training, (void)updates, (void)layer, (void)zeros, (void)save;

    /* 1. inference [BN-4.1]: y = gamma (x - running_mean) / sqrt(running_var + c->eps) + beta
          float *y = zeros(l.total); ... save(c, step, "y", y);
       2. training [BN-2.1 to BN-2.3]: the batch's own mean, and variance with ddof 0, in place of the running ones
       3. state [BN-3.1, BN-3.3]: running = decay running + (1 - decay) new, decay = atof(c->decay);
          save running_mean and running_var; port.json says whether the variance that you blend in has ddof 0 or 1
       4. gradients [BN-5.1, BN-5.2]: save dx, dgamma, dbeta where dy is there */

    free(x), free(dy), free(l.channel);
}

int main(int count, char **words)
{
    return run_cases(count, words);
}
