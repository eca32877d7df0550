/* The one list of commands. Each gets its own arguments, argv[0] being its name, and returns an exit status
 * of tool.h; standard output is flushed and checked by main(). */
#ifndef CLCONV_TOOLS_COMMANDS_COMMANDS_H
#define CLCONV_TOOLS_COMMANDS_COMMANDS_H

/* X(name, summary): its function is cmd_NAME, in NAME.c. */
#define COMMAND_LIST(X)                                              \
    X(devices, "lists every OpenCL device and the one chosen now")   \
    X(run, "convolves a tensor")                                     \
    X(grad, "computes the gradients of a convolution")               \
    X(plan, "describes how a problem would be computed, and why so") \
    X(bench, "times layers")                                         \
    X(check, "checks a device against the reference")                \
    X(tune, "measures how to compute layers on this device")         \
    X(filter, "applies a bank of 3D filters to a volume")            \
    X(compile, "makes programs for a device without a compiler")     \
    X(cache, "the compiled programs that are kept on disk")          \
    X(init, "makes the initial weights that PyTorch would make")

#define COMMAND_DECLARE(name, summary) int cmd_##name(int argc, char **argv);
COMMAND_LIST(COMMAND_DECLARE)
#undef COMMAND_DECLARE

#endif
