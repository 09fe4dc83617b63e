/* The loops over one tile, from values of type FROM to values of type TO; kernels.c includes this for each pair.

   MOMENTS: set for the first TO of a FROM. It and TO are undefined again at the end. */

#define BY_INPUT(stem) JOIN(stem, FROM)
#define NAME(stem) JOIN(JOIN(stem, FROM), TO)
#define LOAD JOIN(from, FROM)
#define STORE JOIN(to, TO)

#ifdef MOMENTS

/* Ask for n neighbours that will be read next: the next columns, where the next lines lie far away. */
INLINE void BY_INPUT(ahead)(const FROM *from, int64_t n)
{
    for (int64_t k = 0; k < n; k += LINE / sizeof(FROM))
        PREFETCH(from + k);
}

/* Columns of two lines at a time, or of one where q is NULL: add to the sums of d = x - shift, of
   d d, and where four are wanted of dy and dy d. */
INLINE void BY_INPUT(add)(const FROM *restrict p, const FROM *restrict q, const FROM *restrict g, const FROM *restrict h, int64_t w,
                          const double *restrict shift, struct sums *restrict to, const int wanted)
{
    double *restrict s0 = to->of[0], *restrict s1 = to->of[1], *restrict s2 = to->of[2], *restrict s3 = to->of[3];
    if (q)
        for (int64_t k = 0; k < w; k++) {
            double d = LOAD(p[k]) - shift[k], e = LOAD(q[k]) - shift[k];
            s0[k] += d + e;
            s1[k] += d * d + e * e;
            if (wanted > 2) {
                s2[k] += LOAD(g[k]) + LOAD(h[k]);
                s3[k] += LOAD(g[k]) * d + LOAD(h[k]) * e;
            }
        }
    else
        for (int64_t k = 0; k < w; k++) {
            double d = LOAD(p[k]) - shift[k];
            s0[k] += d;
            s1[k] += d * d;
            if (wanted > 2) {
                s2[k] += LOAD(g[k]);
                s3[k] += LOAD(g[k]) * d;
            }
        }
}

/* The same of all values of a channel, which lie in runs of t->inner neighbours. */
INLINE void BY_INPUT(channel)(const FROM *x, const FROM *dy, const struct tile *t, double shift, double *all, const int wanted)
{
    struct sums s;
    double shifts[LANES];
    int added = 0;
    clear(&s, LANES, wanted);
    for (int k = 0; k < LANES; k++)
        shifts[k] = shift;
    memset(all, 0, 4 * sizeof *all);
    for (int64_t o = 0; o < t->outer; o++) {
        const FROM *p = x + o * t->x[0], *g = wanted > 2 ? dy + o * t->dy[0] : p;
        int64_t x_ahead = o + 1 < t->outer ? t->x[0] : 0, dy_ahead = o + 1 < t->outer ? t->dy[0] : 0, step;
        for (int64_t left = t->inner; left > 0; left -= step, p += step, g += step) {
            step = left < LANES ? left : left < 2 * LANES ? LANES : 2 * LANES;
            if (step == 2 * LANES) {
                BY_INPUT(ahead)(p + x_ahead, 2 * LANES);
                if (wanted > 2)
                    BY_INPUT(ahead)(g + dy_ahead, 2 * LANES);
                BY_INPUT(add)(p, p + LANES, g, g + LANES, LANES, shifts, &s, wanted);
            } else
                BY_INPUT(add)(p, NULL, g, NULL, step, shifts, &s, wanted);
            if (++added == CHAIN) {
                flush(&s, all, wanted);
                added = 0;
            }
        }
    }
    flush(&s, all, wanted);
}

/* About the mean of a channel: that of some of its values. */
INLINE double BY_INPUT(sample)(const FROM *x, const struct tile *t)
{
    int64_t n = SMALLER(t->inner, PLACES);
    double sum = 0.0;
    for (int64_t k = 0; k < PLACES; k++) {
        const FROM *from = x + k * t->outer / PLACES * t->x[0] + k * (t->inner - n) / PLACES;
        for (int64_t i = 0; i < n; i++)
            sum += LOAD(from[i]);
    }
    return sum / (double)(PLACES * n);
}

/* A channel's values lie in runs of t->inner neighbours. */
INLINE void BY_INPUT(rows)(const FROM *x, const FROM *dy, const struct tile *t, const double *given, double *found, const int wanted)
{
    double n = (double)t->outer * (double)t->inner, all[4] = {0};
    for (int64_t c = 0; c < t->channels; c++, x += t->x[1], dy += t->dy[1]) {
        double shift = given ? given[c] : BY_INPUT(sample)(x, t);
        BY_INPUT(channel)(x, dy, t, shift, all, wanted);
        if (!given && lost_bits(all, n)) {
            shift += all[0] / n;
            BY_INPUT(channel)(x, dy, t, shift, all, wanted);
        }
        record(found + c, t->channels, shift, all, n, given != NULL);
    }
}

/* Sums of w columns, in t->outer lines; `next` columns will follow. */
INLINE void BY_INPUT(lines)(const FROM *x, const FROM *dy, const struct tile *t, int64_t w, const double *shift, struct sums *all,
                            int64_t next, const int wanted)
{
    struct sums s;
    int64_t chain = CHAIN / 2;
    while (chain * chain < t->outer)
        chain += CHAIN / 2;
    clear(all, w, wanted);
    for (int64_t from = 0; from < t->outer; from += chain) {
        int64_t to = SMALLER(from + chain, t->outer);
        clear(&s, w, wanted);
        for (int64_t o = from; o < to; o += 2) {
            const FROM *p = x + o * t->x[0], *g = wanted > 2 ? dy + o * t->dy[0] : p;
            BY_INPUT(ahead)(g + w, next);
            if (o + 1 < to)
                BY_INPUT(ahead)(g + (wanted > 2 ? t->dy[0] : t->x[0]) + w, next);
            BY_INPUT(add)(p, o + 1 < to ? p + t->x[0] : NULL, g, wanted > 2 ? g + t->dy[0] : p, w, shift, &s, wanted);
        }
        for (int i = 0; i < wanted; i++)
            for (int64_t k = 0; k < w; k++)
                all->of[i][k] += s.of[i][k];
    }
}

/* Each of t->channels neighbours in t->outer lines is a channel. */
INLINE void BY_INPUT(columns)(const FROM *x, const FROM *dy, const struct tile *t, const double *given, double *found, const int wanted)
{
    struct sums s;
    double shift[BLOCK], n = (double)t->outer;
    int64_t some = SMALLER(t->outer, 2 * PLACES);
    for (int64_t at = 0; at < t->channels; at += BLOCK, x += BLOCK, dy += BLOCK) {
        int64_t w = SMALLER(t->channels - at, BLOCK), next = SMALLER(t->channels - at - w, BLOCK);
        int again = 0;
        for (int64_t k = 0; k < w; k++)
            shift[k] = given ? given[at + k] : 0.0;
        for (int64_t j = 0; j < some && !given; j++) {
            const FROM *from = x + j * t->outer / some * t->x[0];
            BY_INPUT(ahead)(from + w, next);
            for (int64_t k = 0; k < w; k++)
                shift[k] += LOAD(from[k]);
        }
        for (int64_t k = 0; k < w && !given; k++)
            shift[k] /= (double)some;
        BY_INPUT(lines)(x, dy, t, w, shift, &s, next, wanted);
        for (int64_t k = 0; k < w && !given; k++) {
            double all[2] = {s.of[0][k], s.of[1][k]};
            again |= lost_bits(all, n);
        }
        if (again) {
            for (int64_t k = 0; k < w; k++)
                shift[k] += s.of[0][k] / n;
            BY_INPUT(lines)(x, dy, t, w, shift, &s, next, wanted);
        }
        for (int64_t k = 0; k < w; k++) {
            double all[4] = {s.of[0][k], s.of[1][k], wanted > 2 ? s.of[2][k] : 0.0, wanted > 2 ? s.of[3][k] : 0.0};
            record(found + at + k, t->channels, shift[k], all, n, given != NULL);
        }
    }
}

CLONES void BY_INPUT(moments)(const FROM *x, const FROM *dy, const struct tile *t, const double *given, double *found)
{
    if (t->inner > 1 && dy)
        BY_INPUT(rows)(x, dy, t, given, found, 4);
    else if (t->inner > 1)
        BY_INPUT(rows)(x, x, t, given, found, 2);
    else if (dy)
        BY_INPUT(columns)(x, dy, t, given, found, 4);
    else
        BY_INPUT(columns)(x, x, t, given, found, 2);
}

#endif

/* One line of outputs: z = a (x - shift); y = z + b; dx = a dy + slope z + offset, or a dy where there is no x.
   step: 1 where each value has coefficients of its own, 0 where all have the same. */
INLINE void NAME(line)(const FROM *restrict x, const FROM *restrict dy, TO *restrict y, TO *restrict dx, int64_t n,
                       const double *restrict of, int64_t m, const int step)
{
    const double *restrict shift = of, *restrict a = of + m, *restrict b = of + 2 * m, *restrict slope = of + 3 * m,
                 *restrict offset = of + 4 * m;
    if (y && dx)
        for (int64_t i = 0; i < n; i++) {
            int64_t k = step * i;
            double z = a[k] * (LOAD(x[i]) - shift[k]);
            y[i] = STORE(z + b[k]);
            dx[i] = STORE(a[k] * LOAD(dy[i]) + slope[k] * z + offset[k]);
        }
    else if (y)
        for (int64_t i = 0; i < n; i++) {
            int64_t k = step * i;
            y[i] = STORE(a[k] * (LOAD(x[i]) - shift[k]) + b[k]);
        }
    else if (x)
        for (int64_t i = 0; i < n; i++) {
            int64_t k = step * i;
            dx[i] = STORE(a[k] * LOAD(dy[i]) + slope[k] * (a[k] * (LOAD(x[i]) - shift[k])) + offset[k]);
        }
    else
        for (int64_t i = 0; i < n; i++)
            dx[i] = STORE(a[step * i] * LOAD(dy[i]));
}

#define AT(array, o, c) ((array) ? (array) + (o) * t->array[0] + (c) * t->array[1] : NULL)

CLONES void NAME(write)(const FROM *x, const FROM *dy, TO *y, TO *dx, const struct tile *t, const double *of)
{
    int64_t m = t->channels;
    if (t->inner == 1)
        for (int64_t c = 0; c < m; c += WIDE) {
            int64_t n = SMALLER(m - c, WIDE), next = SMALLER(m - c - n, WIDE);
            for (int64_t o = 0; o < t->outer; o++) {
                if (x)
                    BY_INPUT(ahead)(AT(x, o, c + n), next);
                if (dy)
                    BY_INPUT(ahead)(AT(dy, o, c + n), next);
                NAME(line)(AT(x, o, c), AT(dy, o, c), AT(y, o, c), AT(dx, o, c), n, of + c, m, 1);
            }
        }
    else
        for (int64_t o = 0; o < t->outer; o++)
            for (int64_t c = 0; c < m; c++)
                NAME(line)(AT(x, o, c), AT(dy, o, c), AT(y, o, c), AT(dx, o, c), t->inner, of + c, m, 0);
}

#undef AT
#undef BY_INPUT
#undef NAME
#undef LOAD
#undef STORE
#undef MOMENTS
#undef TO
