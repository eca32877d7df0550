/* Where PoCL's threads run. */
#ifndef CLCONV_TOOLS_COMMON_AFFINITY_H
#define CLCONV_TOOLS_COMMON_AFFINITY_H

/* Sets POCL_AFFINITY, by which PoCL binds thread i to CPU i, unless the user has set it or the number of threads: Linux
 * wakes threads that sleep between short kernels on the same CPU otherwise, and keeps them there. Does nothing where this
 * process may not use every CPU of the machine, since binding would fail. To be called before the first call of OpenCL
 * and while there is one thread. */
void affinity_bind_pocl(void);

#endif
