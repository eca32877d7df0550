/* Work to time: see machine.h. */
#include "machine/machine.h"

#include <math.h>

double machine_seconds(const machine *m, double speed, int64_t element_size, const work *w)
{
    double rate = speed * m->flops_per_second * (element_size == 8 ? 0.5 : 1.0);
    return fmax(2 * w->busy / rate, w->traffic / (speed * m->bytes_per_second)) + m->launch_seconds;
}

int64_t machine_launches(const machine *m, double seconds)
{
    const double most_seconds = 0.1, margin = 4, most = 1 << 16;
    return m->gpu == NULL ? 1 : (int64_t)fmax(1, fmin(ceil(margin * seconds / most_seconds), most));
}

double machine_tile_share(const machine *m, int64_t out_channels, int64_t vectors)
{
    double fmas = (double)(out_channels * vectors),
           loads = m->core.weight_load * (double)out_channels + m->core.split_load * (double)vectors;
    return fmas / fmax(fmax(fmas, loads), m->core.in_flight);
}
