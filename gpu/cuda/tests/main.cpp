// Runs all tests of the library's inside.

#include <chrono>

#include "support.h"

namespace tests {

Affine<Fq> generator(const Fq *) { return {Fq::one(), Fq::one().doubled()}; }

Affine<Fq2> generator(const Fq2 *) {
    const Fq x0 = {{0x02bc2026, 0x8e83b5d1, 0x497b0172, 0xdceb1935, 0x97811adf, 0xfbb82647, 0xaf96503b, 0x19573841}};
    const Fq x1 = {{0xa84c6140, 0xafb4737d, 0x5802d8c4, 0x6043dd5a, 0x52a02f86, 0x09e950fc, 0x3aea7b6b, 0x14fef083}};
    const Fq y0 = {{0x886be9f6, 0x619dfa9d, 0xf59e9b78, 0xfe7fd297, 0x231b7dfe, 0xff9e1a62, 0xae9e4206, 0x28fd7eeb}};
    const Fq y1 = {{0xc71856ee, 0x64095b56, 0x327d3cbb, 0xdc57f922, 0x33351076, 0x55f935be, 0x93fd6482, 0x0da4a0e6}};
    return {{x0, x1}, {y0, y1}};
}

} // namespace tests

int main() {
    const struct {
        const char *name;
        void (*run)();
    } all[] = {
        {"fields", tests::fields},
        {"curves", tests::curves},
        {"interface", tests::interface},
        {"transforms", tests::transforms},
        {"quotients", tests::quotients},
        {"multiplications", tests::multiplications},
        {"cells", tests::cells},
        {"products", tests::products},
        {"trees", tests::trees},
        {"lanes", tests::lanes},
    };
    for (const auto &test : all) {
        const auto start = std::chrono::steady_clock::now();
        test.run();
        const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
        std::printf("%s: passed, %.1f s\n", test.name, time.count());
    }
}
