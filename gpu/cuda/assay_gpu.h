// The prover's heavy computation on a device: multi-scalar multiplication, number-theoretic transforms, and the inner prover's kernels.
// This is all that the host knows of the library; it loads it at run time (docs/gpu.md).
//
// Every result is exact: the same field element, or the same point, as the prover's own on processors.
//
// Field elements are 4 words of 64 bits, least significant first, in Montgomery form with R = 2^256, below the modulus: as arkworks has them in memory.
// `fr` is BN254's scalar field, coordinates are in `fq`, its base field.
// An affine point of G1 is x, y (8 words); of G2 x.c0, x.c1, y.c0, y.c1 (16 words). All zero is the identity.
// A result is in Jacobian coordinates: 12 words for G1, 24 for G2, Z = 0 for the identity.
//
// Pointers are to host memory, and nothing keeps them after a call. A call returns when its result is there. A context, and what was made in it, is used by one
// thread at a time. After any status but ASSAY_OK the outputs hold nothing of use, no memory has leaked, and the context can be used on (after ASSAY_DEVICE perhaps
// not successfully).

#ifndef ASSAY_GPU_H
#define ASSAY_GPU_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Changes whenever anything below does.
#define ASSAY_ABI 2

typedef enum {
    ASSAY_OK = 0,
    // The device has too little memory: the caller may try again with less.
    ASSAY_MEMORY = 1,
    // The device or its driver failed: assay_error says how.
    ASSAY_DEVICE = 2,
    // An argument is out of its range: a mistake of the caller.
    ASSAY_ARGUMENT = 3,
} assay_status;

typedef struct {
    char name[256];
    uint64_t memory_bytes;
    uint32_t multiprocessors;
    // Compute capability, e.g. 90 for 9.0.
    uint32_t architecture;
    // 1 if no device computes but the processor, thread after thread: for tests.
    uint32_t emulated;
} assay_device;

typedef struct assay_context assay_context;
typedef struct assay_bases assay_bases;
typedef struct assay_bases_g2 assay_bases_g2;
typedef struct assay_cells assay_cells;
typedef struct assay_tree assay_tree;
typedef struct assay_product assay_product;
typedef struct assay_quotients assay_quotients;

uint32_t assay_abi(void);
// Number of devices; 0 where there is no driver. ASSAY_DEVICE if there is one that cannot be used, being too old, say.
int32_t assay_devices(uint32_t *count);
int32_t assay_describe(uint32_t device, assay_device *out);
int32_t assay_open(uint32_t device, assay_context **out);
void assay_close(assay_context *context);
// What failed last, in words; never null, valid until the next call. `context` may be null: then in calls without one
// (assay_devices, assay_describe, assay_open, and any with a null handle) on this thread.
const char *assay_error(const assay_context *context);

// The device's own time of the last call that computed, in seconds: from the start of its first kernel to the end of its last, with the copies and waits between
// them, without the uploads before and the downloads after. Waits for that end. 0 if unknown (the call failed, or there was none), and where the processor plays
// the device.
double assay_seconds(const assay_context *context);

// At most so much device memory is used from now on (for tests and for machines that share a device). 0: no limit.
int32_t assay_limit_memory(assay_context *context, uint64_t bytes);

// Multi-scalar multiplication. Bases are uploaded once and stay; `multiples` says how many of P, 2^w·P, 2^2w·P, … are kept with each: 0 lets the library choose by
// the memory there is, 1 keeps the bases only. Bases may repeat, cancel, and be the identity.
int32_t assay_bases_new(assay_context *context, const uint64_t *points, size_t len, uint32_t multiples, assay_bases **out);
void assay_bases_free(assay_bases *bases);
// sum of scalars[i]·bases[from + i] for `len` full-width scalars.
int32_t assay_msm(assay_bases *bases, size_t from, const uint64_t *scalars, size_t len, uint64_t out[12]);
// For each list k: the sum of scalars[k][i]·bases[i] for i < lengths[k], exact for every int32. 12 words a list.
int32_t assay_msm_small(assay_bases *bases, const int32_t *const *scalars, const size_t *lengths, size_t lists, uint64_t *out);
int32_t assay_bases_g2_new(assay_context *context, const uint64_t *points, size_t len, assay_bases_g2 **out);
void assay_bases_g2_free(assay_bases_g2 *bases);
int32_t assay_msm_g2(assay_bases_g2 *bases, const uint64_t *scalars, size_t len, uint64_t out[24]);

// Transforms of `batch` vectors of 2^log elements one after the other, in place, log <= 28. With w = the 2^log-th root of unity that arkworks has
// (Fr::get_root_of_unity), and place(i) = i with its log bits reversed:
// Values to coefficients: data[place(i)] = sum over j of values[j]·w^(-ij): 2^log times the coefficients. Then, if `factor` is not null, data[place(i)] is multiplied
// by factor^i / 2^log.
int32_t assay_to_coefficients(assay_context *context, uint32_t log, size_t batch, uint64_t *data, const uint64_t *factor);
// Coefficients to values, the inverse order: first, if `factor` is not null, data[place(i)] is multiplied by factor^i / 2^log; then
// values[j] = sum over i of data[place(i)]·w^(ij).
int32_t assay_to_values(assay_context *context, uint32_t log, size_t batch, uint64_t *data, const uint64_t *factor);

// What the quotient of a PLONK circuit's constraints is computed with. Rows are 2^log; columns are as assay_to_coefficients leaves them without a factor. The `count`
// columns here stay on the device, as values at N = 2^(log + blowup) points, of which point i is generator·w^i with the root w of order N.
int32_t assay_quotients_new(assay_context *context, uint32_t log, uint32_t blowup, const uint64_t generator[4], const uint64_t *const *columns, size_t count,
                            assay_quotients **out);
void assay_quotients_free(assay_quotients *quotients);

// An instruction of a program, which is run at every point: register[to] = a + b (operation 0), a - b (1), a·b (2), or the sum of constant·operand over b terms from
// term a on (3). An operand's two highest bits say what it is, the others which: a register (0), a constant (1), a column in the row (2) or in the next row (3). Columns are
// those that stay, then those of the call.
typedef struct {
    uint32_t operation, to, a, b;
} assay_instruction;
typedef struct {
    uint32_t constant, operand;
} assay_term;
typedef struct {
    const assay_instruction *instructions;
    size_t length;
    const assay_term *terms;
    size_t term_count;
    const uint64_t *constants;
    size_t constant_count;
    // At most 2^10.
    uint32_t registers;
} assay_program;
// The coefficients, from the constant one on, N of them, of the polynomial that at point i is the last instruction's result times scales[i mod 2^blowup]. The last of the
// `count` columns has `more` coefficients more, those of X^(2^log) on, each 2^log times as large: at most (2^blowup - 1)·2^log.
int32_t assay_quotient(assay_quotients *quotients, const uint64_t *const *columns, size_t count, const uint64_t *more_coefficients, size_t more,
                       const assay_program *program, const uint64_t *scales, uint64_t *out);

// Small integers that stay on the device (weights, witness), `len` of them, in rows of any width.
int32_t assay_cells_new(assay_context *context, const int32_t *cells, size_t len, assay_cells **out);
void assay_cells_free(assay_cells *cells);
// out[j] = sum over r < rows of factors[r]·cells[from + r·width + j], for j < width. Cells beyond the end are 0.
int32_t assay_fold_rows(assay_cells *cells, size_t from, size_t rows, size_t width, const uint64_t *factors, uint64_t *out);
// out[r] = sum over j < width of factors[j]·cells[from + r·width + j], for r < rows. Cells beyond the end are 0.
int32_t assay_dot_rows(assay_cells *cells, size_t from, size_t rows, size_t width, const uint64_t *factors, uint64_t *out);

// A sumcheck over sum of a(x)·b(x), the lowest variable first; `len` is a power of two.
int32_t assay_product_new(assay_context *context, const uint64_t *a, const uint64_t *b, size_t len, assay_product **out);
void assay_product_free(assay_product *product);
// The message of a round (8 words): sum of a[2i]·b[2i], and of (a[2i+1] - a[2i])·(b[2i+1] - b[2i]). There are two elements or more.
int32_t assay_product_message(assay_product *product, uint64_t out[8]);
// Binds the lowest variable to x: a[i] becomes a[2i] + x·(a[2i+1] - a[2i]), b likewise.
int32_t assay_product_bind(assay_product *product, const uint64_t x[4]);
// a[0] and b[0] (8 words).
int32_t assay_product_first(assay_product *product, uint64_t out[8]);

// The tree of fractions of the lookup argument. Leaf i is numerators[i] / values[index[i]]. From the leaves on, `arities` says how many variables each level merges
// (1 or 2: two or four children to a node; all but that next to the root have 2); a level is filled up with 0/1 to whole nodes. `root` gets numerator and denominator.
int32_t assay_tree_new(assay_context *context, const uint64_t *values, size_t value_count, const uint32_t *index, const int32_t *numerators, size_t leaves,
                       const uint32_t *arities, size_t levels, assay_tree **out, uint64_t root[8]);
void assay_tree_free(assay_tree *tree);
// Begins the sumcheck of level `level` (0: the leaves), whose numerators and denominators are gone after it: over its nodes,
// sum of eq(r, node)·g(node), with g = (p0·d1 + (p1 + lambda·d1)·d0)·d2·d3 + (p2·d3 + p3·d2)·d0·d1, that is P + lambda·D of the node's fraction. `r` has `variables` elements.
// A message has five sums over pairs of nodes, weighted with eq(r[1..], pair): of g at 0, at -1, at 2, of its leading coefficient, and of the weights themselves.
// Pairs end with the level's last node, where it has no partner with 0/1. Without variables there is no message.
int32_t assay_level_begin(assay_tree *tree, uint32_t level, const uint64_t lambda[4], const uint64_t *r, uint32_t variables, uint64_t message[20]);
// Binds the lowest variable to x; the message of the next round, weighted with eq of the coordinates of r after the next one's; nothing after the last round.
int32_t assay_level_bind(assay_tree *tree, const uint64_t x[4], uint64_t message[20]);
// The node that is left after the last round: numerators, then denominators (2 or 4 each).
int32_t assay_level_children(assay_tree *tree, uint64_t *out);

#ifdef __cplusplus
}
#endif
#endif
