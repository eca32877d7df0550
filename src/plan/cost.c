/* What a recipe costs: its steps one after the other. */
#include "plan/plan.h"

const char *cost_name_of(const step *s)
{
    return s->kind == STEP_KERNEL ? s->launch.kernel : s->name;
}

static double cost_of_step(const machine *m, const step *s)
{
    return machine_seconds(m, cost_name_of(s), s->element_size, &s->work);
}

double cost_of_recipe(const device_traits *traits, const recipe *r, bool packed_weights)
{
    double seconds = 0;
    for (size_t i = 0; i < r->run_count; i++)
        seconds += cost_of_step(traits->machine, &r->run[i]);
    for (size_t i = 0; i < r->pack_count && !packed_weights; i++)
        seconds += cost_of_step(traits->machine, &r->pack[i]);
    return seconds;
}
