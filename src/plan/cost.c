/* What a recipe costs: its steps one after the other. */
#include "plan/plan.h"

double cost_of_recipe(const device_traits *traits, const recipe *r, bool packed_weights)
{
    double seconds = r->run_seconds;
    for (size_t i = 0; i < r->run_count && r->compared == NULL; i++)
        seconds += machine_seconds(traits->machine, traits->speed, r->run[i].element_size, &r->run[i].work);
    for (size_t i = 0; i < r->pack_count && !packed_weights; i++)
        seconds += machine_seconds(traits->machine, traits->speed, r->pack[i].element_size, &r->pack[i].work);
    return seconds;
}
