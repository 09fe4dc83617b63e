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
#define BLOCK 512  /* columns whose sums stay in the first cache */
#define WIDE 1024  /* columns whose coefficients do */
#define APART 24   /* between two sums, so that they do not meet in the same places of a cache */
#define LINE 64    /* bytes of a cache line */
#define INLINE static inline __attribute__((always_inline))
#define SMALLER(a, b) ((a) < (b) ? (a) : (b))
#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)

/* once for each generation of x86 processors, the best at hand taken when the library is loaded */
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12
#define CLONES __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define CLONES
#endif

/* Where what is read next does not lie next, the processor is told. */
#ifdef __GNUC__
#define PREFETCH(address) __builtin_prefetch(address)
#else
#define PREFETCH(address) ((void)0)
#endif

struct sums {
    double of[4][BLOCK + APART];
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
INLINE int lost_bits(const double *all, double n)
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

/* The types, and from and to double. What is stored is rounded once, to nearest, ties to even. */

typedef double f64;
typedef float f32;
typedef uint16_t f16, bf16;

INLINE double from_f64(f64 value)
{
    return value;
}

INLINE f64 to_f64(double value)
{
    return value;
}

INLINE double from_f32(f32 value)
{
    return value;
}

INLINE f32 to_f32(double value)
{
    return (f32)value;
}

INLINE double bits_to_double(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

INLINE float bits_to_float(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

INLINE uint32_t float_to_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

INLINE double from_bf16(bf16 value)
{
    return bits_to_float((uint32_t)value << 16);
}

INLINE double from_f16(f16 value)
{
    uint32_t bits = (uint32_t)(value & 0x7fff) << 13;
    uint32_t special = bits >= 0x0f800000 ? 0x7f800000 : 0; /* not finite */
    bits = float_to_bits(bits_to_float(bits) * 0x1p112f) | special;
    return bits_to_float(bits | (uint32_t)(value & 0x8000) << 16);
}

/* value, rounded to so many bits of precision with exponents from least on: a number too large for the others is added. */
INLINE double rounded(double value, int precision, int least)
{
    const uint64_t low = (uint64_t)(1023 + least) << 52, high = (uint64_t)(1023 + 128) << 52;
    uint64_t bits, exponent;
    double large;
    memcpy(&bits, &value, sizeof bits);
    exponent = bits & 0x7ff0000000000000;
    exponent = exponent < low ? low : exponent > high ? high : exponent;
    large = 1.5 * bits_to_double(exponent + ((uint64_t)(53 - precision) << 52));
    value = (value + large) - large;
    memcpy(&exponent, &value, sizeof exponent);
    return bits_to_double(exponent | (bits & 0x8000000000000000)); /* the sign of what became 0 */
}

INLINE bf16 to_bf16(double value)
{
    return (bf16)(float_to_bits((float)rounded(value, 8, -126)) >> 16);
}

INLINE f16 to_f16(double value)
{
    uint32_t bits = float_to_bits((float)rounded(value, 11, -14) * 0x1p-112f), size = bits & 0x7fffffff;
    uint32_t half = size > 0x7f800000 ? 0x7e00 : size >> 13 > 0x7c00 ? 0x7c00 : size >> 13;
    return (f16)(half | (bits >> 16 & 0x8000));
}

#define FROM f64
#define MOMENTS
#define TO f64
#include "kernels.h"
#undef FROM

#define FROM f32
#define MOMENTS
#define TO f32
#include "kernels.h"
#define TO f64
#include "kernels.h"
#undef FROM

#define FROM f16
#define MOMENTS
#define TO f16
#include "kernels.h"
#define TO f64
#include "kernels.h"
#undef FROM

#define FROM bf16
#define MOMENTS
#define TO bf16
#include "kernels.h"
#define TO f64
#include "kernels.h"
#undef FROM

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, .m_name = "_kernels", .m_doc = "Called by address, by native.py."};

PyMODINIT_FUNC PyInit__kernels(void)
{
    return PyModule_Create(&module);
}
