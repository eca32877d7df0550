/* Work to time: each step takes as long as its arithmetic or its memory traffic, whichever is longer, and a
 * launch. The rates come from the kind of device, never from a measurement, so the choice is reproducible. */
#include "plan/plan.h"

static double cost_of_step(const device_traits *traits, const step *s)
{
    double rate = traits->flops_per_second * (s->element_size == 8 ? 0.5 : 1.0) * s->efficiency;
    double arithmetic = s->flops / rate, traffic = s->bytes / traits->bytes_per_second;
    return (arithmetic > traffic ? arithmetic : traffic) + traits->launch_seconds;
}

double cost_of_recipe(const device_traits *traits, const recipe *r, bool packed_weights)
{
    double seconds = 0;
    for (size_t i = 0; i < r->run_count; i++)
        seconds += cost_of_step(traits, &r->run[i]);
    for (size_t i = 0; i < r->pack_count && !packed_weights; i++)
        seconds += cost_of_step(traits, &r->pack[i]);
    return seconds;
}
