/* The table of algorithms. */
#include "algorithms/registry.h"

#define ALGORITHM_ADDRESS(variable) &variable,
static const algorithm *const algorithms[] = {ALGORITHM_LIST(ALGORITHM_ADDRESS)};

const algorithm *registry_at(size_t index)
{
    return index < sizeof algorithms / sizeof algorithms[0] ? algorithms[index] : NULL;
}
