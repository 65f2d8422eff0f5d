// The platform where the processor plays the device.

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <ucontext.h>
#include <vector>

#include "platform.cuh"

namespace assay {

namespace {

constexpr uint64_t MEMORY = 4ull << 30;
constexpr uint32_t MULTIPROCESSORS = 2;
constexpr size_t ALIGNMENT = 256;

void copy(void *to, const void *from, size_t bytes) {
    if (bytes) std::memcpy(to, from, bytes);
}

} // namespace

struct Device::Platform {};

Device::Device(uint32_t number) : number_(number), multiprocessors_(MULTIPROCESSORS) {}

Device::~Device() = default;

uint32_t Device::count() { return 1; }

void Device::describe(uint32_t, assay_device &out) {
    std::strncpy(out.name, "emulated on the processor", sizeof out.name - 1);
    out.memory_bytes = MEMORY;
    out.multiprocessors = MULTIPROCESSORS;
    out.architecture = 0;
    out.emulated = 1;
}

void Device::enter() {}

void Device::leave() {}

void Device::finish() {}

void Device::recover(assay_status) noexcept {}

double Device::seconds() noexcept { return 0; }

uint64_t Device::available() {
    const uint64_t limit = limit_ ? limit_ : MEMORY;
    return limit > used_ ? limit - used_ : 0;
}

void *Device::allocate(size_t bytes) {
    if (bytes > available()) throw Failure{ASSAY_MEMORY, "the memory limit is reached", ""};
    void *memory = std::aligned_alloc(ALIGNMENT, divided_up(bytes, ALIGNMENT) * ALIGNMENT);
    if (!memory) throw Failure{ASSAY_MEMORY, "no memory is left", ""};
    std::memset(memory, UNWRITTEN, bytes);
    used_ += bytes;
    return memory;
}

void Device::release(void *memory, size_t bytes) noexcept {
    std::free(memory);
    used_ -= bytes;
}

void Device::upload(void *to, const void *from, size_t bytes) { copy(to, from, bytes); }

void Device::download(void *to, const void *from, size_t bytes) { copy(to, from, bytes); }

void Device::zero(void *memory, size_t bytes) {
    if (bytes) std::memset(memory, 0, bytes);
}

void Device::consumed(unsigned) {}

void Device::stage_begin(unsigned) {}

void Device::stage(void *to, const void *from, size_t bytes) { copy(to, from, bytes); }

void Device::staged(unsigned) {}

void *Device::queue() const { return nullptr; }

size_t sort_bytes(uint64_t, unsigned) { return 16; }

void sort_pairs(Device &, Sortable &pairs, uint64_t count, unsigned bits, void *, size_t) {
    constexpr unsigned DIGIT = 11;
    for (unsigned shift = 0; shift < bits; shift += DIGIT) {
        const uint32_t mask = (1u << std::min(DIGIT, bits - shift)) - 1;
        const uint32_t *keys = pairs.keys[pairs.current], *values = pairs.values[pairs.current];
        pairs.current ^= 1;
        std::vector<uint64_t> places(mask + 2, 0);
        for (uint64_t i = 0; i < count; ++i) ++places[(keys[i] >> shift & mask) + 1];
        for (uint32_t digit = 0; digit < mask; ++digit) places[digit + 1] += places[digit];
        for (uint64_t i = 0; i < count; ++i) {
            const uint64_t place = places[keys[i] >> shift & mask]++;
            pairs.keys[pairs.current][place] = keys[i];
            pairs.values[pairs.current][place] = values[i];
        }
    }
}

namespace fibers {

namespace {

constexpr size_t STACK = 128 << 10;

struct Block {
    ucontext_t scheduler;
    std::vector<ucontext_t> contexts;
    std::vector<bool> done;
    const std::function<void(uint32_t)> *work = nullptr;
    uint32_t current = 0;
};

thread_local Block *running = nullptr;
// Kept: fresh pages for every block would take longer than its work.
thread_local std::vector<std::unique_ptr<char[]>> stacks;

// The first thread from `thread` on that is not done; then the scheduler.
ucontext_t *resumed(Block &block, uint32_t thread) {
    const uint32_t threads = static_cast<uint32_t>(block.contexts.size());
    while (thread < threads && block.done[thread]) ++thread;
    block.current = thread;
    return thread < threads ? &block.contexts[thread] : &block.scheduler;
}

void enter() {
    Block &block = *running;
    (*block.work)(block.current);
    block.done[block.current] = true;
    setcontext(resumed(block, block.current + 1));
}

} // namespace

void run(uint32_t threads, const std::function<void(uint32_t)> &work) {
    Block block;
    block.contexts.resize(threads);
    block.done.resize(threads, false);
    block.work = &work;
    while (stacks.size() < threads) stacks.emplace_back(new char[STACK]);
    for (uint32_t i = 0; i < threads; ++i) {
        getcontext(&block.contexts[i]);
        block.contexts[i].uc_stack.ss_sp = stacks[i].get();
        block.contexts[i].uc_stack.ss_size = STACK;
        block.contexts[i].uc_link = nullptr;
        makecontext(&block.contexts[i], enter, 0);
    }
    running = &block;
    for (;;) {
        ucontext_t *const first = resumed(block, 0);
        if (first == &block.scheduler) break;
        swapcontext(&block.scheduler, first);
    }
    running = nullptr;
}

// One to the next: by way of the scheduler it would be twice as many switches.
void yield() {
    Block &block = *running;
    ucontext_t *const own = &block.contexts[block.current];
    swapcontext(own, resumed(block, block.current + 1));
}

} // namespace fibers

} // namespace assay
