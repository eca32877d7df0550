/* The tests' own OpenCL layer: a library that the loader puts between a program and every driver (OPENCL_LAYERS names it).
 * It makes a device seem another one and keeps to that (pretend.c), and makes it fail (faults.c), as the environment's
 * variables say; without any it changes nothing. A layer is given no state of its own by the loader: what is here is set
 * when it is loaded and only read afterwards. */
#ifndef CLCONV_TESTS_LAYER_H
#define CLCONV_TESTS_LAYER_H

#include <CL/cl_layer.h>

#include <stdbool.h>

/* The functions below the layer. */
extern const struct _cl_icd_dispatch *layer_target;

/* Replace the functions that they watch. */
void pretend_install(struct _cl_icd_dispatch *own);
void faults_install(struct _cl_icd_dispatch *own);

/* A launch as the device that is pretended takes it: CL_SUCCESS, or why it does not. */
cl_int pretend_check_launch(cl_command_queue queue, cl_kernel kernel, cl_uint dimensions,
                            const size_t *local);

/* Answers a query of the API with `length` bytes. */
cl_int layer_give(const void *from, size_t length, size_t size, void *value, size_t *needed);

/* A variable's value, NULL if it is unset or empty. */
const char *layer_text(const char *variable);

/* The same as a number, `otherwise` if there is none. */
unsigned long long layer_number(const char *variable, unsigned long long otherwise);

#endif
