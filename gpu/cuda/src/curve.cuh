// Points of y^2 = x^3 + b over a field: affine, and in XYZZ coordinates x = X/ZZ, y = Y/ZZZ with ZZ^3 = ZZZ^2. Every exceptional case is handled.
// Formulas: madd-2008-s, add-2008-s, dbl-2008-s-1, mdbl-2008-s-1 of the Explicit-Formulas Database, with a = 0.

#pragma once

#include "field.cuh"

namespace assay {

// All zero is the identity, which is not on the curve otherwise.
template <class F> struct Affine {
    F x, y;

    ASSAY_FN bool is_identity() const { return x.is_zero() && y.is_zero(); }
};

// ZZ = 0 is the identity.
template <class F> struct Xyzz {
    F x, y, zz, zzz;

    ASSAY_FN static Xyzz identity() { return {F::zero(), F::zero(), F::zero(), F::zero()}; }

    ASSAY_FN static Xyzz of(const Affine<F> &p) {
        if (p.is_identity()) return identity();
        return {p.x, p.y, F::one(), F::one()};
    }

    ASSAY_FN bool is_identity() const { return zz.is_zero(); }

    // Adds ±p: 8 multiplications, 2 squarings.
    ASSAY_FN void add(const Affine<F> &p, bool negative) {
        if (p.is_identity()) return;
        const F p_y = negative ? -p.y : p.y;
        if (is_identity()) {
            *this = {p.x, p_y, F::one(), F::one()};
            return;
        }
        const F step_x = p.x * zz - x, step_y = p_y * zzz - y;
        if (step_x.is_zero()) {
            *this = step_y.is_zero() ? twice({p.x, p_y}) : identity();
            return;
        }
        advance(step_x, step_y, x, y);
    }

    // 12 multiplications, 2 squarings.
    ASSAY_FN void add(const Xyzz &p) {
        if (p.is_identity()) return;
        if (is_identity()) {
            *this = p;
            return;
        }
        const F own_x = x * p.zz, own_y = y * p.zzz;
        const F step_x = p.x * zz - own_x, step_y = p.y * zzz - own_y;
        if (step_x.is_zero()) {
            if (step_y.is_zero()) {
                double_in_place();
            } else {
                *this = identity();
            }
            return;
        }
        zz = zz * p.zz;
        zzz = zzz * p.zzz;
        advance(step_x, step_y, own_x, own_y);
    }

    // 6 multiplications, 3 squarings. There is no point of order two.
    ASSAY_FN void double_in_place() {
        const F u = y.doubled(), v = u.squared(), w = u * v, s = x * v;
        const F square = x.squared(), m = square.doubled() + square;
        x = m.squared() - s.doubled();
        y = m * (s - x) - w * y;
        zz = v * zz;
        zzz = w * zzz;
    }

    ASSAY_FN static Xyzz twice(const Affine<F> &p) {
        const F u = p.y.doubled(), v = u.squared(), w = u * v, s = p.x * v;
        const F square = p.x.squared(), m = square.doubled() + square;
        const F x = m.squared() - s.doubled();
        return {x, m * (s - x) - w * p.y, v, w};
    }

    // As Jacobian coordinates with Z = ZZZ: ZZZ^2 = ZZ^3.
    void jacobian(F (&out)[3]) const {
        out[0] = x * zz.squared();
        out[1] = y * zzz.squared();
        out[2] = zzz;
    }

private:
    ASSAY_FN void advance(const F &step_x, const F &step_y, const F &own_x, const F &own_y) {
        const F square = step_x.squared(), cube = step_x * square, q = own_x * square;
        zz = zz * square;
        zzz = zzz * cube;
        const F old_y = own_y;
        x = step_y.squared() - cube - q.doubled();
        y = step_y * (q - x) - old_y * cube;
    }
};

} // namespace assay
