/* The only place that reads the process's environment. */
#ifndef CLCONV_BASE_ENVIRONMENT_H
#define CLCONV_BASE_ENVIRONMENT_H

/* The variable's value, or NULL if it is unset or empty. Valid until the environment changes. */
const char *environment_get(const char *name);

#endif
