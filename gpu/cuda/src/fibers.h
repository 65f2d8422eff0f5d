// The threads of a block, one after the other on the processor: each runs until it waits for the others. Only for emulation.

#pragma once

#include <cstdint>
#include <functional>

namespace assay::fibers {

// Runs `work(0)`, … `work(threads - 1)` so that all come to one `yield` before any goes on.
void run(uint32_t threads, const std::function<void(uint32_t)> &work);
void yield();

} // namespace assay::fibers
