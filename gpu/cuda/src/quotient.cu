// The quotient of a PLONK circuit's constraints, and its C interface.

#include "program.cuh"
#include "transforms.cuh"

using namespace assay;

struct assay_quotients {
    Shared shared;
    uint32_t log;
    uint32_t blowup;
    uint64_t count;
    Fr generator;
    // Values of the columns that stay.
    Buffer<Fr> kept;
    // Of the generator, for 2^log coefficients, and of its inverse, for all.
    Buffer<Fr> powers;
    Buffer<Fr> inverse_powers;

    uint32_t large() const { return log + blowup; }
    uint64_t points() const { return 1ull << large(); }
    PowersTable scaling() const { return {powers.data(), log}; }
};

namespace {

// Values of columns at all points; the last has `more` coefficients besides.
Buffer<Fr> values(const assay_quotients &quotients, const uint64_t *const *columns, uint64_t count, const uint64_t *more_coefficients, uint64_t more) {
    Context &context = *quotients.shared;
    Device &device = context.device;
    const uint64_t size = 1ull << quotients.log;
    const Fr *const table = twiddles(context, quotients.large());
    Buffer<Fr> coefficients(device, count * size), there(device, count * quotients.points());
    for (uint64_t k = 0; k < count; ++k) coefficients.upload(columns[k], size, k * size);
    Expand expand;
    expand.from = coefficients.data();
    expand.count = there.size();
    expand.log = quotients.log;
    expand.blowup = quotients.blowup;
    expand.powers = quotients.scaling();
    expand.to = there.data();
    launch_for(device, expand.count, expand);
    if (more) {
        Buffer<Fr> rest(device, more);
        rest.upload(more_coefficients, more);
        ExpandMore kernel;
        kernel.from = rest.data();
        kernel.count = more;
        kernel.log = quotients.log;
        kernel.blowup = quotients.blowup;
        kernel.powers = quotients.scaling();
        kernel.whole = power(quotients.generator, size);
        kernel.to = there.data() + (count - 1) * quotients.points();
        launch_for(device, more, kernel);
    }
    const Vectors vectors = {device, quotients.large(), there.data(), there.size()};
    vectors.transform<true>(table);
    return there;
}

void require_columns(const uint64_t *const *columns, size_t count) {
    require(columns || count == 0, "a pointer is null");
    for (size_t k = 0; k < count; ++k) require(columns[k], "a pointer is null");
}

void require_operand(uint32_t operand, const assay_program &program, uint64_t columns) {
    const uint64_t index = operand & ((1u << 30) - 1), kind = operand >> 30;
    const uint64_t end = kind == 0 ? program.registers : kind == 1 ? program.constant_count : columns;
    require(index < end, "an operand is out of its range");
}

void require_program(const assay_program *program, uint64_t columns) {
    require(program, "a pointer is null");
    require(program->length > 0, "the program is empty");
    require_pointer(program->instructions, program->length);
    require_pointer(program->terms, program->term_count);
    require_pointer(program->constants, program->constant_count);
    require(program->registers <= MOST_REGISTERS, "too many registers");
    for (size_t k = 0; k < program->length; ++k) {
        const assay_instruction &instruction = program->instructions[k];
        require(instruction.operation <= 3, "no such operation");
        require(instruction.to < program->registers, "no such register");
        if (instruction.operation == 3) {
            require(instruction.a <= program->term_count && instruction.b <= program->term_count - instruction.a, "terms are out of their range");
        } else {
            require_operand(instruction.a, *program, columns);
            require_operand(instruction.b, *program, columns);
        }
    }
    for (size_t k = 0; k < program->term_count; ++k) {
        require(program->terms[k].constant < program->constant_count, "no such constant");
        require_operand(program->terms[k].operand, *program, columns);
    }
}

// The program's results at all points, times the scales.
Buffer<Fr> results(const assay_quotients &quotients, const Buffer<Fr> &columns, const assay_program &program, const uint64_t *scales) {
    Device &device = quotients.shared->device;
    Buffer<assay_instruction> instructions(device, program.length);
    instructions.upload(program.instructions, program.length);
    Buffer<assay_term> terms(device, program.term_count);
    terms.upload(program.terms, program.term_count);
    Buffer<Fr> constants(device, program.constant_count), scaling(device, 1ull << quotients.blowup);
    constants.upload(program.constants, program.constant_count);
    scaling.upload(scales, scaling.size());
    RunProgram kernel;
    // threads enough to hide most of what memory takes
    const uint64_t blocks = std::min<uint64_t>(divided_up(quotients.points(), RunProgram::THREADS), 8ull * device.multiprocessors());
    Buffer<Fr> registers(device, blocks * RunProgram::THREADS * program.registers), out(device, quotients.points());
    kernel.instructions = instructions.data();
    kernel.length = program.length;
    kernel.terms = terms.data();
    kernel.constants = constants.data();
    kernel.kept = quotients.kept.data();
    kernel.kept_columns = static_cast<uint32_t>(quotients.count);
    kernel.columns = columns.data();
    kernel.points = quotients.points();
    kernel.step = 1ull << quotients.blowup;
    kernel.scales = scaling.data();
    kernel.registers = registers.data();
    kernel.out = out.data();
    launch(device, blocks, kernel);
    return out;
}

} // namespace

int32_t assay_quotients_new(assay_context *context, uint32_t log, uint32_t blowup, const uint64_t generator[4], const uint64_t *const *columns, size_t count,
                            assay_quotients **out) {
    return guarded_on(context, [&] {
        require(out, "a pointer is null");
        *out = nullptr;
        require(generator, "a pointer is null");
        require(log <= MOST_LOG && blowup <= MOST_LOG - log, "no domain is so large");
        require(count < 1u << 29, "too many columns");
        require_columns(columns, count);
        Device &device = context->shared->device;
        const Fr factor = field_of(generator);
        require(!factor.is_zero(), "the generator is zero");
        std::unique_ptr<assay_quotients> made(new assay_quotients{context->shared, log, blowup, count, factor, {}, {}, {}});
        made->powers = powers(device, log, factor);
        made->inverse_powers = powers(device, made->large(), Fr::inverse(factor));
        made->kept = values(*made, columns, count, nullptr, 0);
        device.finish();
        *out = made.release();
    });
}

void assay_quotients_free(assay_quotients *quotients) { release(quotients); }

int32_t assay_quotient(assay_quotients *quotients, const uint64_t *const *columns, size_t count, const uint64_t *more_coefficients, size_t more,
                       const assay_program *program, const uint64_t *scales, uint64_t *out) {
    return guarded_on(quotients, [&] {
        require(out && scales, "a pointer is null");
        require(count < 1u << 29, "too many columns");
        require_columns(columns, count);
        require_pointer(more_coefficients, more);
        require(more == 0 || (count > 0 && more <= quotients->points() - (1ull << quotients->log)), "too many coefficients");
        require_program(program, quotients->count + count);
        Context &context = *quotients->shared;
        Buffer<Fr> numerators;
        {
            const Buffer<Fr> there = values(*quotients, columns, count, more_coefficients, more);
            numerators = results(*quotients, there, *program, scales);
        }
        const Vectors vectors = {context.device, quotients->large(), numerators.data(), numerators.size()};
        vectors.transform<false>(twiddles(context, quotients->large()));
        InOrder kernel;
        Buffer<Fr> ordered(context.device, numerators.size());
        kernel.from = numerators.data();
        kernel.log = quotients->large();
        kernel.powers = {quotients->inverse_powers.data(), quotients->large()};
        kernel.to = ordered.data();
        launch_for(context.device, ordered.size(), kernel);
        ordered.download(out, ordered.size());
    });
}
