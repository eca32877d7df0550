/* What a recipe costs: its steps one after the other. */
#include "plan/plan.h"

#include "steps/kernel.h"

static double seconds_of(const device_traits *traits, const step *s)
{
    return machine_seconds(traits->machine, traits->speed, s->element_size, &s->work);
}

double cost_of_recipe(const device_traits *traits, const recipe *r, bool packed_weights)
{
    double seconds = r->run_seconds;
    for (size_t i = 0; i < r->run_count && r->compared == NULL; i++)
        seconds += seconds_of(traits, &r->run[i]);
    for (size_t i = 0; i < r->pack_count && !packed_weights; i++)
        seconds += seconds_of(traits, &r->pack[i]);
    return seconds;
}

static void split(const device_traits *traits, step *steps, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int64_t wanted = machine_launches(traits->machine, seconds_of(traits, &steps[i]));
        if (steps[i].kind == STEP_KERNEL) steps[i].launch.parts = launch_parts(&steps[i].launch, wanted);
    }
}

void cost_split_launches(const device_traits *traits, recipe *r)
{
    split(traits, r->pack, r->pack_count);
    split(traits, r->run, r->run_count);
}
