/* Choosing for devices that are not there: what bench/fit, the tests of the choice and contexts without a device ask. */
#ifndef CLCONV_PLAN_IMAGINE_H
#define CLCONV_PLAN_IMAGINE_H

#include "plan/plan.h"

/* What decides a device's family, as its driver would say it. */
typedef struct imagined_device {
    cl_device_type type;
    const char *name, *vendor;
    int vector_bits;
} imagined_device;

clconv_device_info imagine_info(const imagined_device *device);

/* What a usual device of a family would say of itself; `text` is FAMILY or FAMILY:UNITS. */
clconv_status imagine_family(const char *text, clconv_device_info *info, clconv_error *err);

/* A context of nothing but the device's traits: only plan_consider() may be asked for it. */
clconv_context imagine_context(const imagined_device *device);

enum { IMAGINED_NUMBERS = 19 };

/* The problem of a row of bench/suite.csv: N, Cin, D, H, W, Cout, then kernel, stride, padding and dilation, and groups. */
clconv_problem imagine_problem(const int64_t numbers[IMAGINED_NUMBERS]);

/* Fills the candidates of a plan with weights that are packed beforehand, and its algorithm, the cheapest; false if nothing
 * can do the problem. plan_drop_candidates() in any case. */
bool imagine_choice(clconv_context *context, clconv_op op, const clconv_problem *problem, clconv_plan *plan);

#endif
