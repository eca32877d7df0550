/* The table of algorithms. */
#include "algorithms/registry.h"

#include <string.h>

#define ALGORITHM_ADDRESS(variable) &variable,
static const algorithm *const algorithms[] = {ALGORITHM_LIST(ALGORITHM_ADDRESS)};

const algorithm *registry_at(size_t index)
{
    return index < sizeof algorithms / sizeof algorithms[0] ? algorithms[index] : NULL;
}

bool registry_serves(const algorithm *a, clconv_op op)
{
    bool is_input = op == CLCONV_BACKWARD_INPUT || op == CLCONV_TRANSPOSED;
    return a->op == op || (is_input && (a->op == CLCONV_FORWARD || a->op == CLCONV_BACKWARD_INPUT));
}

bool registry_is_for(const algorithm *a, const device_traits *traits)
{
    return a->devices == FOR_ANY || (a->devices == FOR_CPU) == traits->is_cpu;
}

const algorithm *registry_find(const char *name)
{
    size_t i = 0;
    while (registry_at(i) != NULL && strcmp(registry_at(i)->name, name) != 0)
        i++;
    return registry_at(i);
}
