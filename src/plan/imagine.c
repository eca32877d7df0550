/* Choosing for devices that are not there: see imagine.h. */
#include "plan/imagine.h"

#include "base/error.h"
#include "base/text.h"
#include "problem/problem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

clconv_device_info imagine_info(const imagined_device *device)
{
    clconv_device_info info = {.type = device->type,
                               .vector_bits = device->vector_bits,
                               .has_fp64 = 1,
                               .has_compiler = 1,
                               .compute_units = device->type == CL_DEVICE_TYPE_GPU ? 32 : 2,
                               .local_memory_bytes = 48 << 10,
                               .max_work_group_size = 1024,
                               .max_allocation_bytes = INT64_C(8) << 30,
                               .address_alignment_bits = 1024};
    snprintf(info.name, sizeof info.name, "%s", device->name);
    snprintf(info.vendor, sizeof info.vendor, "%s", device->vendor);
    return info;
}

static clconv_status unknown_family(const char *name, clconv_error *err)
{
    text names = {0};
    for (size_t i = 0; machine_name(i) != NULL; i++)
        text_append(&names, "%s%s", i > 0 ? ", " : "", machine_name(i));
    clconv_status status = error_set(err, CLCONV_INVALID_ARGUMENT,
                                     "family '%s' is unknown; there are %s, each with :UNITS after it or not",
                                     name, names.failed ? "" : names.data);
    text_release(&names);
    return status;
}

clconv_status imagine_family(const char *text, clconv_device_info *info, clconv_error *err)
{
    enum { MOST_NAME = 32, MOST_UNITS = 1 << 20 };
    char name[MOST_NAME], *end = NULL;
    size_t length = strcspn(text, ":");
    snprintf(name, sizeof name, "%.*s", (int)(length < MOST_NAME ? length : MOST_NAME - 1), text);
    if (!machine_example(name, info)) return unknown_family(text, err);
    if (text[length] == '\0') return CLCONV_SUCCESS;
    long long units = strtoll(text + length + 1, &end, 10);
    if (end == text + length + 1 || *end != '\0' || units < 1 || units > MOST_UNITS)
        return error_set(err, CLCONV_INVALID_ARGUMENT, "units are '%s'; they must be 1 to %d",
                         text + length + 1, MOST_UNITS);
    info->compute_units = units;
    return CLCONV_SUCCESS;
}

clconv_context imagine_context(const imagined_device *device)
{
    clconv_context context = {.rt = {.info = imagine_info(device)}};
    traits_derive(&context.rt.info, &context.rt.traits);
    return context;
}

clconv_problem imagine_problem(const int64_t numbers[IMAGINED_NUMBERS])
{
    clconv_problem p;
    clconv_problem_init(&p);
    p.batch = numbers[0];
    p.in_channels = numbers[1];
    p.out_channels = numbers[5];
    p.groups = numbers[18];
    for (int axis = 0; axis < 3; axis++) {
        p.input[axis] = numbers[2 + axis];
        p.kernel[axis] = numbers[6 + axis];
        p.stride[axis] = numbers[9 + axis];
        p.pad_before[axis] = p.pad_after[axis] = numbers[12 + axis];
        p.dilation[axis] = numbers[15 + axis];
    }
    return p;
}

bool imagine_choice(clconv_context *context, clconv_op op, const clconv_problem *problem, clconv_plan *plan)
{
    clconv_plan_options options;
    clconv_plan_options_init(&options);
    *plan = (clconv_plan){
        .context = context, .op = op, .problem = *problem, .packed_weights = op_reads_weight(op)};
    bool is_considered = geometry_compute(problem, &plan->geometry, NULL) == CLCONV_SUCCESS &&
                         plan_consider(plan, &options, NULL) == CLCONV_SUCCESS;
    const candidate *best = is_considered ? plan_cheapest(plan, &options) : NULL;
    if (best != NULL) plan->algorithm = best->algorithm;
    return best != NULL;
}
