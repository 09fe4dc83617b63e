/* Batch normalization in float32, as a port of bnconform without Python.

       cc -O2 -o bn bn.c -lm && bnconform export DIR && cp port.json DIR/ && ./bn DIR && bnconform judge DIR

   Training and inference, forward and backward, running statistics; any rank, any channel axes. Everything else is left to
   port.json's "cannot". -DMISTAKE=N builds a wrong one, see below. */

#include "bn_files.h"

#ifndef MISTAKE
#define MISTAKE 0 /* 1: running variance with ddof 0; 2: eps outside the root; 3: dx without its x_hat term; 4: state never updated */
#endif

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

static void run_step(Case *c, int step, float *layer[4], int *updates)
{
    float *gamma = layer[0], *beta = layer[1], *running_mean = layer[2], *running_var = layer[3];
    Tensor *given = find(c->input, c->inputs, step, "x");
    float *x = load(given), *dy = load(find(c->input, c->inputs, step, "dy"));
    Layout l = layout_of(c, given);
    long n = l.channels;
    float m = n ? (float)(l.total / n) : 0, eps = (float)c->eps;
    int training = !strcmp(c->mode[step], "train"), batch = training || !running_mean; /* no state: the batch's own */
    float *mean = running_mean, *var = running_var, *batch_mean = zeros(n), *batch_var = zeros(n);
    float *y = zeros(l.total), *dx = zeros(l.total), *dgamma = zeros(n), *dbeta = zeros(n), *r = zeros(n), *hat = zeros(l.total);

    if (batch) {
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
        float through = batch ? dbeta[k] / m + (MISTAKE == 3 ? 0 : hat[i] * (dgamma[k] / m)) : 0;
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

int main(int count, char **words)
{
    return run_cases(count, words);
}
