/* The engine's arithmetic on one tile: its moments, and its outputs. native.py calls this where it could be built.

   All arithmetic is double, every sum has a fixed order and nothing is contracted (-ffp-contract=off): no bit depends
   on the compiler, on the processor or on the number of threads. */

#include <Python.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define LANES 64   /* neighbours of a row that are added to sums of their own */
#define CHAIN 64   /* additions to a lane, after which it is added to the sum of all; columns: half, or the root of the lines */
#define PLACES 16  /* where values are taken to guess a mean: of a row so many neighbours at each, of a column one at twice as many */
#define NEAR 0.4   /* largest square of the mean of d, of the mean of d d */
#define BLOCK 512  /* columns whose sums and coefficients stay in the first cache */
#define LINE 64    /* bytes of a cache line */
#define INLINE static inline __attribute__((always_inline))
#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define NAME(stem) JOIN(stem, SUFFIX)

/* once for each generation of x86 processors, the best at hand taken when the library is loaded */
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12
#define CLONES __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define CLONES
#endif

/* The rows of a channel lie apart: what comes next is asked for one row ahead. */
#ifdef __GNUC__
#define PREFETCH(address) __builtin_prefetch(address)
#else
#define PREFETCH(address) ((void)0)
#endif

struct sums {
    double of[4][BLOCK];
};

/* Sizes, and by array the distances of outer steps and of channels, in elements. */
struct tile {
    int64_t outer, channels, inner;
    int64_t x[2], dy[2], y[2], dx[2];
};

INLINE void clear(struct sums *s, int64_t columns, const int wanted)
{
    for (int k = 0; k < wanted; k++)
        memset(s->of[k], 0, columns * sizeof(double));
}

/* Add up the lanes of the sums that are wanted, and begin anew. */
INLINE void flush(struct sums *s, double *all, const int wanted)
{
    for (int k = 0; k < wanted; k++) {
        for (int width = LANES / 2; width > 0; width /= 2)
            for (int i = 0; i < width; i++)
                s->of[k][i] += s->of[k][i + width];
        all[k] += s->of[k][0];
    }
    clear(s, LANES, wanted);
}

/* Whether the sums of d and d d were taken so far from the mean that bits were lost. */
INLINE int far(const double *all, double n)
{
    return !(all[0] * all[0] <= NEAR * n * all[1]);
}

/* What sweep.py calls MEAN, LOW, M2, DY, DY_X, each a row of so many channels; all: sums of d = x - shift, d d, dy, dy d. */
INLINE void record(double *found, int64_t channels, double shift, const double *all, double n, int given)
{
    double off = given ? 0.0 : all[0] / n, mean = shift + off;
    found[0] = mean;
    found[channels] = (shift - mean) + off;
    found[2 * channels] = all[1] - n * off * off;
    found[3 * channels] = all[2];
    found[4 * channels] = all[3] - (mean - shift) * all[2];
}

#define IN float
#define OUT float
#define SUFFIX f32_f32
#define MOMENTS
#include "kernels.h"
#undef MOMENTS
#undef OUT
#undef SUFFIX
#define OUT double
#define SUFFIX f32_f64
#include "kernels.h"
#undef IN
#undef SUFFIX
#define IN double
#define SUFFIX f64_f64
#define MOMENTS
#include "kernels.h"

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, .m_name = "_kernels", .m_doc = "Called by address, by native.py."};

PyMODINIT_FUNC PyInit__kernels(void)
{
    return PyModule_Create(&module);
}
