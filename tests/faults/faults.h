/* Failing calls of OpenCL, of memory and of files: the linker puts these between the library's objects and what they call
 * (--wrap), and nothing else of the process, such as a driver. A call that is to fail does nothing and says so as that
 * function does. What was made and not released is counted. */
#ifndef CLCONV_TESTS_FAULTS_FAULTS_H
#define CLCONV_TESTS_FAULTS_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

/* A call: which function, and where it returns to, as an offset in the program. */
typedef struct fault_site {
    const char *function;
    uintptr_t at;
} fault_site;

/* From now on calls are counted from 0; that with this number fails, or that and all after it; none if it is negative. */
void faults_arm(int64_t which, bool for_good);

/* Calls are neither counted nor fail. */
void faults_disarm(void);

/* Calls since the arming, and the site of one of the first FAULT_CALLS. */
enum { FAULT_CALLS = 1 << 16 };
int64_t faults_count(void);
fault_site faults_site(int64_t call);

/* Objects of OpenCL, and allocations, that the library holds now. */
int64_t faults_objects(void);
int64_t faults_allocations(void);

#endif
