/* clconv: 3D convolution on any OpenCL device, exactly as torch.nn.Conv3d defines it.
 *
 * In one picture:
 *
 *     clconv_problem  ──►  clconv_plan  ──►  clconv_plan_enqueue  ──►  the caller's OpenCL queue
 *     (what to compute)    (how: algorithm,    (only enqueues)
 *                           programs built)
 *
 * Conventions, true of every function below unless it says otherwise:
 *   - Axes are in the order D, H, W. Layout is NCDHW, C order, dense. All counts are in elements, all sizes
 * of memory in bytes.
 *   - It returns CLCONV_SUCCESS or the reason of the failure. `err` may be NULL; if it is not, a failure
 * fills it. After success *err is untouched. Outputs are written only on success.
 *   - A pointer that is not said to be allowed to be NULL and is NULL is CLCONV_INVALID_ARGUMENT from what returns a
 * status; of what returns something else the answer is 0 or NULL, and what returns nothing does nothing.
 *   - A context may be used by several threads at once; a plan by one at a time: a call that finds another at work in
 * the same plan returns CLCONV_INVALID_ARGUMENT. There is no global state but
 * what follows.
 *   - OpenCL does not survive a fork. In a process that was forked from one that had used OpenCL, through
 * clconv or not, a function that would call OpenCL returns CLCONV_INVALID_ARGUMENT; what releases frees host
 * memory alone, and what only reads or computes sizes works. A fork before the first use, and a new program
 * after a fork, are free to use it.
 *   - Option structs are filled by their `_init` function first, so that a later version can add members. Options of a
 * plan that were not are refused: zeroed ones would mean a workspace limit of 0, and so the slowest algorithms. Structs may grow
 * with each minor version before 1.0, and carry no size: the name of the shared library holds major and minor version
 * (libclconv.so.0.1), so that a program never meets a library whose structs are other than those it was compiled with.
 *
 * References: the operator is https://pytorch.org/docs/stable/generated/torch.nn.Conv3d.html.
 */
#ifndef CLCONV_H
#define CLCONV_H

#ifndef CL_TARGET_OPENCL_VERSION
#define CL_TARGET_OPENCL_VERSION 120
#endif
#if defined(__APPLE__)
#include <OpenCL/opencl.h>
#else
#include <CL/cl.h>
#endif
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CLCONV_VERSION_MAJOR 0
#define CLCONV_VERSION_MINOR 1
#define CLCONV_VERSION_PATCH 0

#if defined(CLCONV_STATIC)
#define CLCONV_API
#elif defined(_WIN32) && defined(CLCONV_BUILD)
#define CLCONV_API __declspec(dllexport)
#elif defined(_WIN32)
#define CLCONV_API __declspec(dllimport)
#elif defined(__GNUC__)
#define CLCONV_API __attribute__((visibility("default")))
#else
#define CLCONV_API
#endif

/* "MAJOR.MINOR.PATCH" of the library that is linked. Never freed. */
CLCONV_API const char *clconv_version(void);

/* Errors. */

/* X(name, value, text): the one list of statuses. Values are stable. */
#define CLCONV_STATUS_LIST(X)                                                     \
    X(CLCONV_SUCCESS, 0, "success")                                               \
    X(CLCONV_INVALID_ARGUMENT, 1, "an argument of the call is not legal")         \
    X(CLCONV_INVALID_PROBLEM, 2, "the problem breaks a rule of Conv3d")           \
    X(CLCONV_UNSUPPORTED, 3, "legal, but this device or this build cannot do it") \
    X(CLCONV_NO_DEVICE, 4, "no OpenCL device, or none that matches")              \
    X(CLCONV_OUT_OF_MEMORY, 5, "host memory is exhausted")                        \
    X(CLCONV_OUT_OF_DEVICE_MEMORY, 6, "the device cannot hold it")                \
    X(CLCONV_BUILD_FAILED, 7, "an OpenCL program did not build")                  \
    X(CLCONV_OPENCL_FAILED, 8, "an OpenCL call failed")                           \
    X(CLCONV_FILE_FAILED, 9, "a file could not be read or written")               \
    X(CLCONV_INTERNAL, 10, "a defect of clconv: please report it")

#define CLCONV_STATUS_ENUM(name, value, text) name = value,
typedef enum clconv_status { CLCONV_STATUS_LIST(CLCONV_STATUS_ENUM) CLCONV_STATUS_END_ } clconv_status;
#undef CLCONV_STATUS_ENUM

enum { CLCONV_MESSAGE_SIZE = 1024 };

/* Owned by the caller. `message` is one line that names the argument, its value and the rule. */
typedef struct clconv_error {
    clconv_status status;
    cl_int opencl_code; /* of the OpenCL call that failed, else CL_SUCCESS */
    char message[CLCONV_MESSAGE_SIZE];
} clconv_error;

CLCONV_API const char *
clconv_status_name(clconv_status status); /* "CLCONV_SUCCESS"; never NULL, never freed */
CLCONV_API const char *clconv_status_text(clconv_status status); /* "success"; never NULL, never freed */

/* Devices. */

/* What clconv knows of a device. Texts are truncated to fit. */
typedef struct clconv_device_info {
    cl_platform_id platform;
    cl_device_id device;
    int platform_index; /* as the loader lists platforms, those without devices counted */
    int device_index;
    char selector[32]; /* "P:D": picks exactly this device, as does its number in the list */
    char platform_name[128];
    char platform_version[128];
    char name[256];
    char vendor[128];
    char device_version[128];
    char driver_version[128];
    cl_device_type type;
    int64_t compute_units;
    int64_t clock_mhz;
    int64_t global_memory_bytes;
    int64_t max_allocation_bytes;
    int64_t local_memory_bytes;
    int64_t max_work_group_size;
    int64_t address_alignment_bits; /* CL_DEVICE_MEM_BASE_ADDR_ALIGN */
    int vector_bits;                /* native vector width of float, in bits: 512, 256, 128 or 32 */
    int has_fp64;
    int has_compiler;
    int is_little_endian;
    /* Of a GPU, where an extension tells: such as sm_90, gfx1030, or simd8 for the narrowest sub-group; else "". */
    char architecture[32];
    int shares_host_memory; /* CL_DEVICE_HOST_UNIFIED_MEMORY: arrays of the host need no copy */
} clconv_device_info;

/* Every device of every platform. *devices has *count entries; release it with clconv_free(). A machine
 * without any is a success with *count = 0. Not thread-safe with respect to the OpenCL loader's first use. */
CLCONV_API clconv_status clconv_list_devices(clconv_device_info **devices, size_t *count, clconv_error *err);
CLCONV_API void clconv_free(void *memory);

/* Chooses a device by `selector`, or by the environment variable CLCONV_DEVICE if selector is NULL or empty.
 *
 * A selector is a comma-separated list of preferences; the first that matches wins. A preference is
 *   N              the N-th device of clconv_list_devices(), counted from 0
 *   P:D            indices of platform and device, as the loader lists them
 *   TYPE           gpu, cpu or accelerator
 *   TEXT           a case-insensitive part of a platform's, vendor's or device's name
 *   A:B            two of TYPE and TEXT, where both must hold
 *   A:N, A:B:N     the N-th match, counted from 0
 * Digits alone are always a number, never TEXT, which needs a letter.
 *
 * With neither: GPU, then CPU, then accelerator; within a type more compute units times clock; then order.
 * No match is CLCONV_NO_DEVICE, and the message lists what there is. */
CLCONV_API clconv_status clconv_select_device(const char *selector, cl_platform_id *platform,
                                              cl_device_id *device, clconv_error *err);

/* Context. */

/* One device: its traits and the programs built for it. */
typedef struct clconv_context clconv_context;

typedef enum clconv_message_level {
    CLCONV_MESSAGE_WARNING = 1,
    CLCONV_MESSAGE_VERBOSE = 2,
    CLCONV_MESSAGE_PROGRESS =
        3 /* what begins to be compiled and how much is left, "" once nothing is compiled any more */
} clconv_message_level;

/* `text` is one or more lines without a final newline, valid during the call, which may come from any thread
 * that uses the context, one call at a time. */
typedef void (*clconv_message_callback)(void *user, clconv_message_level level, const char *text);

typedef struct clconv_context_options {
    clconv_message_callback message; /* NULL: warnings and verbose text are dropped */
    void *message_user;
    int verbose; /* 1: CLCONV_MESSAGE_VERBOSE texts too; as does CLCONV_VERBOSE=1 in the environment */
    /* Bytes of the device for all that clconv_conv3d_host(), clconv_conv_transpose3d_host() and clconv_conv3d_grad_host()
     * put there; 0: as many as it has. */
    uint64_t memory_limit;
    const char *
        bundle; /* the file of programs compiled beforehand; NULL: what CLCONV_BUNDLE names, if that is set */
    int exportable; /* 1: plans need only programs that clconv_programs_export() can write: none of CLBlast's */
    int plans_only; /* 1: plans are made and described, and their sources given, but nothing is built or run */
    int progress; /* 1: CLCONV_MESSAGE_PROGRESS texts, at each compilation, as long or short as that may take */
} clconv_context_options;

CLCONV_API void clconv_context_options_init(clconv_context_options *options);

/* A context on the caller's own OpenCL objects, which are retained. `options` may be NULL. */
CLCONV_API clconv_status clconv_context_create(cl_context opencl_context, cl_device_id device,
                                               const clconv_context_options *options,
                                               clconv_context **context, clconv_error *err);

/* The short form: selects a device as clconv_select_device() does and makes the OpenCL context itself. */
CLCONV_API clconv_status clconv_context_create_selected(const char *selector,
                                                        const clconv_context_options *options,
                                                        clconv_context **context, clconv_error *err);

/* A context of a device that is not there, for looking at plans: a usual one of a family of docs/machines.md, such as
 * "nvidia", or with so many compute units, "nvidia:132". "accelerator" plans without CLBlast, as for a bundle. Its plans are made and described, but nothing is built: what would
 * run or allocate is CLCONV_UNSUPPORTED. No OpenCL is needed. */
CLCONV_API clconv_status clconv_context_create_imagined(const char *family, clconv_context **context,
                                                        clconv_error *err);

/* Plans must be released first. NULL is ignored. */
CLCONV_API void clconv_context_release(clconv_context *context);

CLCONV_API cl_context clconv_context_opencl(const clconv_context *context); /* not retained for the caller */
CLCONV_API cl_device_id clconv_context_device(const clconv_context *context);

/* The queue of the context's own, in order and profiling, on which plans run that are given host arrays: not retained for the
 * caller, who may enqueue on it and wait for it. */
CLCONV_API cl_command_queue clconv_context_queue(const clconv_context *context);
CLCONV_API const clconv_device_info *
clconv_context_device_info(const clconv_context *context); /* context's own */

/* A buffer of the context's OpenCL context with room for `bytes`, at least one, and a copy of `source` in it
 * unless that is NULL; to be released by clReleaseMemObject(). Tensors and workspaces may be any buffers, but
 * on a CPU these are often faster: in huge pages, where the system leaves that to the program. Thread-safe.
 */
CLCONV_API clconv_status clconv_buffer_create(const clconv_context *context, size_t bytes, const void *source,
                                              cl_mem *memory, clconv_error *err);

/* A buffer over `bytes` of the host's own memory (CL_MEM_USE_HOST_PTR), to be released by clReleaseMemObject(), until when
 * the memory must stay. `writable` 0 makes it CL_MEM_READ_ONLY. Where clconv_device_info says shares_host_memory the device
 * uses the memory where it lies; elsewhere the driver copies. The buffer holds what the memory holds at this call. After it
 * the host may touch the memory only between clEnqueueMapBuffer() and clEnqueueUnmapMemObject(), as the OpenCL specification
 * demands, and two buffers must not lie over the same bytes. clconv_plan_run_host() does all of this by itself. Thread-safe. */
CLCONV_API clconv_status clconv_buffer_wrap(const clconv_context *context, void *pointer, size_t bytes,
                                            int writable, cl_mem *memory, clconv_error *err);

typedef struct clconv_counters {
    int64_t programs_built;  /* OpenCL programs compiled from source in this context */
    int64_t programs_reused; /* requests answered by a program that was there */
    int64_t kernels_warmed;  /* kernels run once, empty, so that a driver compiles them before the first real
                                run */
    int64_t programs_loaded; /* programs that came from the cache on disk */
    int64_t cache_absent;    /* programs that it did not have */
    int64_t cache_damaged;   /* entries that were not whole, or of another program: removed */
    int64_t cache_refused;   /* entries that the driver did not take: removed */
    int64_t cache_wrong;     /* entries that gave a wrong answer to a small problem: removed */
    int64_t programs_saved;  /* entries written */
    int64_t programs_wanted; /* left to clconv_cache_fill(), since the driver compiles again for a binary */
    int64_t programs_wanted_again; /* of these, such as an earlier process has wanted too */
    int64_t programs_bundled;      /* programs that came from the bundle */
} clconv_counters;

CLCONV_API void clconv_context_counters(const clconv_context *context, clconv_counters *counters);

/* The cache of programs on disk: in CLCONV_CACHE_DIR, else $XDG_CACHE_HOME/clconv, else ~/.cache/clconv; none with
 * CLCONV_CACHE=off. A context looks there for every program before it compiles one, and keeps there what it has compiled,
 * by platform, device, driver, clconv's version, source and options. What is damaged or wrong in any way is compiled again. */

typedef struct clconv_cache_info {
    char folder[512]; /* "" if it is off */
    char off[512];    /* why it is off; "" if it is not */
    int64_t entries, bytes, limit_bytes;
    int64_t wanted; /* programs left to clconv_cache_fill() */
    /* Over all processes, as in clconv_counters: */
    int64_t loaded, absent, damaged, refused, wrong, saved;
} clconv_cache_info;

CLCONV_API clconv_status clconv_cache_get_info(clconv_cache_info *info, clconv_error *err);

typedef struct clconv_cache_entry {
    const char *name; /* of its file */
    const char *key;  /* lines, each a name and a value; "" unless is_sound */
    int64_t bytes;
    int64_t used; /* when it was last, in seconds since 1970 */
    int is_sound;
} clconv_cache_entry;

/* Not 0 removes the entry. */
typedef int (*clconv_cache_callback)(void *user, const clconv_cache_entry *entry);

/* Reads and checks every entry. None, if the cache is off. */
CLCONV_API clconv_status clconv_cache_visit(clconv_cache_callback visit, void *user, clconv_error *err);

/* Removes every entry, and nothing that is not the cache's. *removed is the number of files. */
CLCONV_API clconv_status clconv_cache_clear(int64_t *removed, clconv_error *err);

/* Saves the programs that contexts of this device have wanted, in this process or others, where the driver compiles again
 * for a binary (PoCL does, for as long as the first time): that is done here, when the caller has the time, and by no plan.
 * The command `clconv cache fill` does this. *saved becomes their number. */
CLCONV_API clconv_status clconv_cache_fill(clconv_context *context, int64_t *saved, clconv_error *err);

/* Problem: what to compute. */

typedef enum clconv_dtype { CLCONV_FLOAT32 = 0, CLCONV_FLOAT64 = 1 } clconv_dtype;
typedef enum clconv_layout { CLCONV_NCDHW = 0 } clconv_layout;
/* PyTorch's, and symmetric, which repeats the edge element as it turns back: "symmetric" in numpy.pad(), "reflect" in
 * scipy.ndimage. Reflect needs padding < size, circular and symmetric padding <= size. */
typedef enum clconv_padding_mode {
    CLCONV_PADDING_ZEROS = 0,
    CLCONV_PADDING_REFLECT = 1,
    CLCONV_PADDING_REPLICATE = 2,
    CLCONV_PADDING_CIRCULAR = 3,
    CLCONV_PADDING_SYMMETRIC = 4
} clconv_padding_mode;

/* What is done to each sum of bias, products and residual, by the names and formulas of torch.nn.functional:
 *   relu        max(x, 0)
 *   leaky_relu  x if x >= 0, else activation_slope * x
 *   silu        x / (1 + exp(-x))
 *   sigmoid     1 / (1 + exp(-x))
 *   tanh        tanh(x)
 *   gelu        x / 2 * (1 + erf(x / sqrt(2))), PyTorch's default, without its tanh approximation
 * NaN stays NaN in all of them; silu and gelu make NaN of -inf, as PyTorch does. */
typedef enum clconv_activation {
    CLCONV_ACTIVATION_NONE = 0,
    CLCONV_ACTIVATION_RELU = 1,
    CLCONV_ACTIVATION_LEAKY_RELU = 2,
    CLCONV_ACTIVATION_SILU = 3,
    CLCONV_ACTIVATION_SIGMOID = 4,
    CLCONV_ACTIVATION_TANH = 5,
    CLCONV_ACTIVATION_GELU = 6
} clconv_activation;

/* The operator, output = activation(conv3d(input, weight) + bias + residual), and its shapes:
 *   input  (batch, in_channels, D, H, W)          weight   (out_channels, in_channels / groups, kD, kH, kW)
 *   bias   (out_channels)                         residual (batch, out_channels, Do, Ho, Wo)
 *   output (batch, out_channels, Do, Ho, Wo)
 * with Xo = floor((X + pad_before + pad_after - output_padding - dilation * (kernel - 1) - 1) / stride) + 1
 * on each axis. Conv2d is D = kD = 1, Conv1d is D = H = kD = kH = 1. An unbatched input is batch = 1. */
typedef struct clconv_problem {
    int64_t batch; /* 0 is legal: the output is empty */
    int64_t groups;
    int64_t in_channels;
    int64_t out_channels;
    int64_t input[3];
    int64_t kernel[3];
    int64_t stride[3];
    int64_t dilation[3]; /* 1 is a dense kernel, as in PyTorch */
    int64_t pad_before[3];
    int64_t pad_after[3];
    int64_t output_padding[3]; /* of a transposed convolution, else 0: see clconv_problem_set_transposed() */
    clconv_padding_mode padding_mode;
    clconv_dtype dtype;
    clconv_layout layout;
    int has_bias;
    int has_residual; /* 1: a tensor of the output's shape is added before the activation, as in a ResNet */
    clconv_activation activation;
    double activation_slope; /* of leaky_relu alone; finite; rounded to dtype */
} clconv_problem;

/* batch, groups, channels, stride, dilation, kernel and input 1, padding 0, zeros, float32, no bias, no
 * residual, no activation, activation_slope 0.01. */
CLCONV_API void clconv_problem_init(clconv_problem *problem);

/* Checks every rule of Conv3d; the message names the first one that is broken. */
CLCONV_API clconv_status clconv_problem_validate(const clconv_problem *problem, clconv_error *err);

/* PyTorch's padding='same': total = dilation * (kernel - 1), half (rounded down) before, the rest after.
 * Needs stride 1; sets pad_before and pad_after. */
CLCONV_API clconv_status clconv_problem_set_same_padding(clconv_problem *problem, clconv_error *err);

/* Do, Ho, Wo of a valid problem. */
CLCONV_API clconv_status clconv_output_size(const clconv_problem *problem, int64_t output[3],
                                            clconv_error *err);

typedef struct clconv_tensor_sizes { /* in elements; 0 for a tensor that the problem does not have */
    int64_t input, weight, bias, residual, output;
} clconv_tensor_sizes;

CLCONV_API clconv_status clconv_problem_tensor_sizes(const clconv_problem *problem,
                                                     clconv_tensor_sizes *sizes, clconv_error *err);

/* Makes a problem the one whose input gradient is torch.nn.ConvTranspose3d: `input` is the size that the
 * transposed convolution reads, and problem->input becomes the size that it makes, (input - 1) * stride -
 * pad_before - pad_after + dilation * (kernel - 1) + output_padding + 1
 * (https://pytorch.org/docs/stable/generated/torch.nn.ConvTranspose3d.html). The other members are set
 * before: problem->out_channels are ConvTranspose3d's in_channels, problem->in_channels its out_channels; the
 * weight (in_channels, out_channels / groups, kD, kH, kW) of ConvTranspose3d is the problem's. Needs zeros as
 * padding_mode, and 0 <= output_padding < max(stride, dilation). It is kept in the problem, where it says how
 * many elements at the end no window of the convolution reads. On failure the problem is untouched. */
CLCONV_API clconv_status clconv_problem_set_transposed(clconv_problem *problem, const int64_t input[3],
                                                       const int64_t output_padding[3], clconv_error *err);

/* Problem text is benchdnn's: "mb1ic64id16ih56iw56oc128kd3kh3kw3sd1sh1sw1pd1ph1pw1dd0dh0dw0g1". Dilation
 * counts from 0 there; ..w defaults to ..h and ..h to ..d, stride and batch and groups to 1, padding and
 * dilation to 0. od, oh, ow are accepted and must agree. Starts from clconv_problem_init(); the other members
 * stay as that leaves them. */
CLCONV_API clconv_status clconv_problem_parse(const char *text, clconv_problem *problem, clconv_error *err);

/* The reverse, for symmetric padding; otherwise pd, ph, pw hold pad_before and the text ends in
 * "_asymmetric"; and in "_output_padding" if that leaves out windows. */
enum { CLCONV_PROBLEM_TEXT_SIZE = 512 };
CLCONV_API clconv_status clconv_problem_format(const clconv_problem *problem,
                                               char text[CLCONV_PROBLEM_TEXT_SIZE], clconv_error *err);

/* Plan: how to compute it. */

typedef struct clconv_plan clconv_plan;

/* What a plan of a problem computes. With y = conv3d(pad(x), w) and dy the gradient of a loss with respect to
 * y, the gradients are those of autograd (https://pytorch.org/docs/stable/generated/torch.nn.Conv3d.html has
 * the formula of y):
 *   backward-input   dx[n,c,i] = sum of w[o,c,t] dy[n,o,p] over o, t and the outputs p that read x[n,c,i]
 *                    through tap t; a border that repeats an element adds to that element's gradient
 *   backward-weight  dw[o,c,t] = sum of dy[n,o,p] pad(x)[n,c, p * stride + t * dilation] over n, p
 *   backward-bias    db[o] = sum of dy[n,o,p] over n, p
 *   transposed       torch.nn.ConvTranspose3d: the input gradient of the problem as an operator of its own,
 *                    plus a bias of in_channels values if has_bias; see clconv_problem_set_transposed()
 * A residual or an activation belongs to forward alone; the gradients ignore has_bias. */
typedef enum clconv_op {
    CLCONV_FORWARD = 0,
    CLCONV_BACKWARD_INPUT = 1,
    CLCONV_BACKWARD_WEIGHT = 2,
    CLCONV_BACKWARD_BIAS = 3,
    CLCONV_TRANSPOSED = 4
} clconv_op;

/* "forward", "backward-input" and so on; NULL past the last. Never freed. */
CLCONV_API const char *clconv_op_name(clconv_op op);

#define CLCONV_WORKSPACE_UNLIMITED UINT64_MAX

typedef struct clconv_plan_options {
    const char *algorithm; /* NULL or "auto": chosen by cost; else a name, see clconv_algorithm_name() */
    uint64_t
        workspace_limit; /* bytes; CLCONV_WORKSPACE_UNLIMITED by default; 0 is always possible with "auto" */
    int strict;          /* 1: inf and NaN in weights meet padded zeros as in PyTorch (inf * 0 = NaN) */
    int packed_weights;  /* 1: runs take weights made by clconv_plan_pack_weight() */
    const char *parameters; /* NULL, or "name=value,name=value": overrides the algorithm's own choice */
    uint32_t initialized;   /* set by clconv_plan_options_init(), without which a plan is refused */
    int untuned;            /* 1: "auto" looks at no tuning data */
    /* 0, or with packed_weights the layout (clconv_plan_packed_weight_layout()) of a packed weight that is there: only
     * algorithms that take it are candidates. So plans of one layer for several sizes of the input share its weight. */
    uint64_t packed_layout;
} clconv_plan_options;

CLCONV_API void clconv_plan_options_init(clconv_plan_options *options);

/* May be slow and may fail: builds programs and warms kernels. `options` may be NULL. The context must
 * outlive the plan. Strings of the options are not needed after the call. If no algorithm is named, one whose
 * kernels the device does not take is rejected, see clconv_plan_get_candidate(), and the next best is built. */
CLCONV_API clconv_status clconv_plan_create(clconv_context *context, clconv_op op,
                                            const clconv_problem *problem, const clconv_plan_options *options,
                                            clconv_plan **plan, clconv_error *err);

typedef struct clconv_plan_request {
    clconv_op op;
    clconv_problem problem;
    const clconv_plan_options *options; /* may be NULL */
} clconv_plan_request;

/* Makes several plans at once, as clconv_plan_create() makes each, on several threads: programs are compiled side by side where
 * the driver does that (PoCL compiles one after the other). plans[i] becomes the plan of requests[i], or NULL where that fails,
 * which errors[i] tells, whose status is CLCONV_SUCCESS if not; `errors` may be NULL. Returns the status of the first that failed; the other plans are made. */
CLCONV_API clconv_status clconv_plans_prepare(clconv_context *context, const clconv_plan_request *requests,
                                              size_t count, clconv_plan **plans, clconv_error *errors);

/* Work already enqueued may still be running: OpenCL keeps what it needs. NULL is ignored. */
CLCONV_API void clconv_plan_release(clconv_plan *plan);

/* Bytes of workspace that a run needs; 0 if none. */
CLCONV_API size_t clconv_plan_workspace_size(const clconv_plan *plan);

/* Memory of one tensor: a buffer and where in it the tensor starts, a multiple of the element size. A
 * workspace starts at a multiple of the device's address_alignment_bits / 8. */
typedef struct clconv_buffer {
    cl_mem memory;
    size_t offset; /* bytes */
} clconv_buffer;

/* Tensors of one run, each a buffer that kernels may read, and write too if it is written. Those that the problem and the
 * op do not have stay { NULL, 0 }; a bias or a residual that the problem does not have is refused, others are not looked at:
 *   forward          reads input, weight, bias, residual      writes output
 *   backward-input   reads weight, grad_output                writes grad_input
 *   backward-weight  reads input, grad_output                 writes grad_weight
 *   backward-bias    reads grad_output                        writes grad_bias
 *   transposed       reads input (of the problem's output's shape), weight, bias (in_channels)
 *                                                             writes output (of the problem's input's shape)
 * A gradient has the shape of what it is the gradient of. What is written must not overlap another tensor or
 * the workspace. */
typedef struct clconv_tensors {
    clconv_buffer input, weight, bias, residual, output;
    clconv_buffer grad_output, grad_input, grad_weight, grad_bias;
} clconv_tensors;

/* Enqueues one run on `queue` (in order or out of order, of the context's device) and returns at once:
 * nothing is compiled, allocated or waited for. `workspace` may be NULL if its size is 0. Two runs that may
 * overlap need two workspaces. The run starts after the `n_wait` events of `wait`; `done` may be NULL, else
 * it becomes an event that the caller releases. */
CLCONV_API clconv_status clconv_plan_enqueue(clconv_plan *plan, cl_command_queue queue,
                                             const clconv_tensors *tensors, const clconv_buffer *workspace,
                                             cl_uint n_wait, const cl_event *wait, cl_event *done,
                                             clconv_error *err);

/* Packed weights: do once what every run would otherwise do to the weights. Bytes of the packed form; its
 * layout id is equal for two plans exactly if they can share it. Both are 0 if the op reads no weight. */
CLCONV_API size_t clconv_plan_packed_weight_size(const clconv_plan *plan);
CLCONV_API uint64_t clconv_plan_packed_weight_layout(const clconv_plan *plan);
CLCONV_API clconv_status clconv_plan_pack_weight(clconv_plan *plan, cl_command_queue queue,
                                                 clconv_buffer weight, clconv_buffer packed, cl_uint n_wait,
                                                 const cl_event *wait, cl_event *done, clconv_error *err);

/* Bundles: programs compiled beforehand, for devices without a compiler (docs/porting-fpga.md). */

/* Writes the programs of these plans, which are of one context, into the file `path`, for a context on a device of the same
 * name, driver and platform: clconv_context_options.bundle or CLCONV_BUNDLE. Where there is no compiler that has nothing but
 * its bundle: a plan that needs another program is CLCONV_UNSUPPORTED, and the message names the program and the command that
 * makes it. Elsewhere what the bundle lacks is compiled. A driver may have to compile again for this, as for
 * clconv_cache_fill(). The context should be made `exportable`: a plan that uses CLBlast is CLCONV_UNSUPPORTED. */
CLCONV_API clconv_status clconv_programs_export(clconv_plan *const *plans, size_t count, const char *path,
                                                clconv_error *err);

/* Writes the sources of these programs into a folder, each as one file without includes or options, for a vendor's own
 * compiler; and a file "manifest" that describes them, where each `file` line is to name what that compiler makes. The plans
 * may be of a context of `plans_only`. */
CLCONV_API clconv_status clconv_programs_emit(clconv_plan *const *plans, size_t count, const char *folder,
                                              clconv_error *err);

/* Makes a bundle of such a manifest and the files that it names, relative to where it lies. No device is needed. */
CLCONV_API clconv_status clconv_programs_pack(const char *manifest, const char *path, clconv_error *err);

/* Several gradients in one call, as a training step wants them. */

/* Plans of up to three gradients of one problem. One thread at a time. */
typedef struct clconv_backward clconv_backward;

/* Which gradients: a sum of these. */
typedef enum clconv_gradient {
    CLCONV_GRAD_INPUT = 1,
    CLCONV_GRAD_WEIGHT = 2,
    CLCONV_GRAD_BIAS = 4
} clconv_gradient;

/* As clconv_plan_create() of the gradients' ops, whose formulas are at clconv_op. An algorithm that the
 * options name applies to those of the gradients that it can make, which must be one at least: the others
 * choose. workspace_limit holds for each, since they run one after the other; packed_weights is for the
 * gradient of the input, without which it must be 0. A sum of none is an error. */
CLCONV_API clconv_status clconv_backward_create(clconv_context *context, const clconv_problem *problem,
                                                int gradients, const clconv_plan_options *options,
                                                clconv_backward **backward, clconv_error *err);

/* NULL is ignored. */
CLCONV_API void clconv_backward_release(clconv_backward *backward);

/* Bytes of workspace that a run needs: what the largest of the gradients needs. */
CLCONV_API size_t clconv_backward_workspace_size(const clconv_backward *backward);

/* The plan of one gradient, to describe or profile it or to pack its weight; NULL if it is not made. It
 * belongs to `backward`. */
CLCONV_API clconv_plan *clconv_backward_plan(const clconv_backward *backward, clconv_op op);

/* As clconv_plan_enqueue(), of all the gradients: all arguments are checked before anything is enqueued. Of
 * `tensors` it takes what their ops read and write; the gradients must not overlap each other either. */
CLCONV_API clconv_status clconv_backward_enqueue(clconv_backward *backward, cl_command_queue queue,
                                                 const clconv_tensors *tensors,
                                                 const clconv_buffer *workspace, cl_uint n_wait,
                                                 const cl_event *wait, cl_event *done, clconv_error *err);

/* What a plan is. */

/* The algorithms of this build, in the order of the registry; NULL past the end. */
CLCONV_API size_t clconv_algorithm_count(void);
CLCONV_API const char *clconv_algorithm_name(size_t index);

/* 1 if each output of the algorithm is a plain sum of products, exact on small integers; 0 if it works on
 * transforms. */
CLCONV_API int clconv_algorithm_accumulates_directly(size_t index);

/* 1 if the algorithm can be asked for this op: those of forward serve backward-input and transposed too. */
CLCONV_API int clconv_algorithm_serves(size_t index, clconv_op op);

typedef struct clconv_plan_info {
    const char *algorithm;     /* texts belong to the plan */
    const char *parameters;    /* "name=value,..." */
    double flops;              /* of the definition: 2 * multiply-adds, padding included */
    double estimated_seconds;  /* the cost by which algorithms were compared */
    size_t workspace_size;     /* bytes */
    size_t packed_weight_size; /* bytes */
    size_t steps;              /* of a run */
    size_t candidates;         /* algorithms considered */
    /* If tuning data decided: the text of the problem that was measured, belonging to the plan, and how far it is from this one;
     * else NULL. */
    const char *tuned_problem;
    double tuned_distance;
} clconv_plan_info;

typedef struct clconv_step_info {
    const char *name; /* "pad", "direct", "gemm", ... */
    size_t global[3]; /* in work-items; 0 for a step that is not a kernel of clconv's */
    size_t local[3];
    double flops; /* arithmetic of this step */
    double bytes; /* memory it must move at least */
} clconv_step_info;

typedef struct clconv_candidate_info {
    const char *algorithm;
    const char *rejection;    /* a sentence, or NULL if it could do the problem */
    double estimated_seconds; /* if it could */
    size_t workspace_size;    /* if it could */
} clconv_candidate_info;

CLCONV_API void clconv_plan_get_info(const clconv_plan *plan, clconv_plan_info *info);
CLCONV_API clconv_status clconv_plan_get_step(const clconv_plan *plan, size_t index, clconv_step_info *info,
                                              clconv_error *err);
CLCONV_API clconv_status clconv_plan_get_candidate(const clconv_plan *plan, size_t index,
                                                   clconv_candidate_info *info, clconv_error *err);

/* The same for people: several lines, terminated, at most `size` bytes. *needed (may be NULL) becomes the
 * size that holds all of it, the terminator included. */
CLCONV_API clconv_status clconv_plan_describe(const clconv_plan *plan, char *text, size_t size,
                                              size_t *needed, clconv_error *err);

/* Runs the plan once on a queue of the context's own, waits, and writes the time of each step to seconds[0 ..
 * steps - 1]. A GEMM's time is its last kernel's. */
CLCONV_API clconv_status clconv_plan_profile(clconv_plan *plan, const clconv_tensors *tensors,
                                             const clconv_buffer *workspace, double *seconds,
                                             clconv_error *err);

/* Tuning: what was measured on a device decides there, in place of an estimate. It never happens unasked.
 *
 * Data are kept in a text file that people can read and merge: CLCONV_TUNING, else $XDG_DATA_HOME/clconv/tuning.txt, else
 * ~/.local/share/clconv/tuning.txt; none with CLCONV_TUNING=off. A context reads it when it is created, and its plans take the
 * algorithm and the parameters that were best for the nearest class of problems, on the same device with the same driver and
 * the same clconv. docs/tuning-and-caches.md has the format and says what near is. */

/* Adds what a file holds to the context's data, all of it or nothing; NULL: the user's own file, which need not be there. Plans
 * that are made from now on use it. */
CLCONV_API clconv_status clconv_tuning_load(clconv_context *context, const char *path, clconv_error *err);

/* Writes the context's data, of all devices, to a file, which is replaced as a whole; NULL: adds them to the user's own. */
CLCONV_API clconv_status clconv_tuning_save(clconv_context *context, const char *path, clconv_error *err);

/* A candidate of clconv_tune(). Texts are valid during the call. */
typedef struct clconv_tune_trial {
    size_t number, count;               /* from 0, of those that are known so far */
    const char *algorithm, *parameters; /* "name=value,..." */
    /* After it was tried: */
    const char *message;                          /* why it cannot win; "" if it may */
    double seconds;                               /* median; 0 if it was not measured */
    double ratio;                                 /* to the default's in turns with it; 0 if there is none */
    const char *best_algorithm, *best_parameters; /* so far, and the ratio of it */
    double best_ratio;
} clconv_tune_trial;

/* Before a candidate is tried, and after. Not 0 ends the tuning, as if its time were over. */
typedef int (*clconv_tune_callback)(void *user, const clconv_tune_trial *trial);

typedef struct clconv_tune_options {
    double seconds; /* for all, compiling included; default 60. A candidate that has begun is finished. */
    int again;      /* 1: measures what the context's data have the best of already */
    clconv_tune_callback begin, end; /* may be NULL */
    void *user;
} clconv_tune_options;

CLCONV_API void clconv_tune_options_init(clconv_tune_options *options);

typedef struct clconv_tune_result {
    char algorithm[64], parameters[256]; /* "auto" if nothing beats the default */
    char default_algorithm[64];
    double seconds, default_seconds; /* medians of runs in turns; 0 if there are none */
    double noise;                    /* share by which medians of the default differ from each other */
    size_t tried, failed;            /* candidates; those of earlier calls included */
    int is_done;                     /* 0: the time was over before all was tried; another call goes on */
} clconv_tune_result;

/* Measures how to compute a problem: every algorithm, each with its own parameters and with others of its ranges, the best
 * by estimate first, by plans that run on this device as any do. A candidate is compared with the reference on small problems of
 * ragged extents before it is timed, and with the default in turns. Only what beats the default by more than the noise of
 * the same run wins. The result is added to the context's data; what was tried is there too, so that a later call for the same
 * problem goes on where this one ended. clconv_tuning_save() keeps it. Of `plan_options` (may be NULL) packed_weights, strict
 * and workspace_limit count, and an algorithm is the only one that is tried beside the default.
 *
 * A candidate may crash or hang a bad driver: `clconv tune` calls this in a process of its own and goes on after it. */
CLCONV_API clconv_status clconv_tune(clconv_context *context, clconv_op op, const clconv_problem *problem,
                                     const clconv_plan_options *plan_options,
                                     const clconv_tune_options *options, clconv_tune_result *result,
                                     clconv_error *err);

/* Notes that a candidate must not be tried again on this device, such as after it has ended a process; `reason` is a line. */
CLCONV_API clconv_status clconv_tune_exclude(clconv_context *context, clconv_op op,
                                             const clconv_problem *problem,
                                             const clconv_plan_options *plan_options, const char *algorithm,
                                             const char *parameters, const char *reason, clconv_error *err);

/* Conveniences. */

/* Arrays in host memory, of the problem's dtype, dense. Those that the problem does not have are NULL. */
typedef struct clconv_host_tensors {
    const void *input, *weight, *bias, *residual;
    void *output;
    uint64_t weight_version; /* of clconv_plan_run_host() */
} clconv_host_tensors;

/* One run of a plan of forward or transposed on arrays in host memory, which waits for it. Memory that the device shares with
 * the host is used where it lies; else tensors are written to the device and read back. The workspace, and copies, belong to
 * the plan from its first such run on, until it is released: what a run allocates is little or nothing.
 *   - Arrays start at a multiple of the element size, and what is written overlaps nothing else. Nobody writes to them during
 *     the call.
 *   - weight_version 0: the weight may be another at each run. Any other number is a promise: all runs of this plan with the
 *     same number, one after the other, have the same weight, which is then packed (and copied) once.
 *   - The plan is made without packed_weights. */
CLCONV_API clconv_status clconv_plan_run_host(clconv_plan *plan, const clconv_host_tensors *tensors,
                                              clconv_error *err);

/* One forward convolution on arrays in host memory. Plans, allocates on the device, copies, runs, waits.
 * `options` may be NULL (packed_weights must be 0). What exceeds the device's largest allocation, its memory or the
 * context's memory_limit is computed in blocks of samples, output channels, planes and rows, with host memory for the
 * tensors of two blocks: the arrays may be mapped files. While the device computes one, another is copied. Each output is
 * the sum of the same products, within the same bound; in the same order where a block is computed by the algorithm of the
 * whole. After an error what the output holds is undefined. */
CLCONV_API clconv_status clconv_conv3d_host(clconv_context *context, const clconv_problem *problem,
                                            const clconv_plan_options *options,
                                            const clconv_host_tensors *tensors, clconv_error *err);

/* Arrays in host memory, of the problem's dtype, dense; gradients that are NULL are not made. */
typedef struct clconv_host_gradients {
    const void *input, *weight, *grad_output;
    void *grad_input, *grad_weight, *grad_bias;
    uint64_t weight_version; /* of clconv_backward_run_host() */
} clconv_host_gradients;

/* The same for gradients: of the arrays it takes what the gradients read and make that `backward` was created for. With a
 * weight_version that is not 0 the gradient of the input has a workspace of its own. */
CLCONV_API clconv_status clconv_backward_run_host(clconv_backward *backward,
                                                  const clconv_host_gradients *gradients, clconv_error *err);

/* The gradients of one forward convolution on arrays in host memory: one call makes any of the three, from
 * tensors that are copied once. A request for none is an error. Without grad_weight `input` is not read,
 * without grad_input `weight` is not. `options` may be NULL (packed_weights must be 0); an algorithm that it
 * names applies to those of the gradients that it can make, which must be one at least: the others choose. In blocks, as
 * clconv_conv3d_host(), one gradient after the other. Those of weight and bias are then summed over the blocks in a fixed
 * order, and so are those of input elements that more than one block reads: the same bits in every run, within the bound of
 * the whole, and the bits of the whole where blocks are of samples and whole groups alone (grad_input) or there is one block
 * (grad_weight, grad_bias). */
CLCONV_API clconv_status clconv_conv3d_grad_host(clconv_context *context, const clconv_problem *problem,
                                                 const clconv_plan_options *options,
                                                 const clconv_host_gradients *gradients, clconv_error *err);

/* One transposed convolution on arrays in host memory: tensors->input and output as for the op transposed. In blocks as
 * the gradient of the input. */
CLCONV_API clconv_status clconv_conv_transpose3d_host(clconv_context *context, const clconv_problem *problem,
                                                      const clconv_plan_options *options,
                                                      const clconv_host_tensors *tensors, clconv_error *err);

/* torch.nn.Conv3d's initialisation, bit for bit, after torch.manual_seed(seed): weight, then bias, from
 * U(-sqrt(k), sqrt(k)), k = 1 / (weight_shape[1] * kD * kH * kW), which is groups / (in_channels * kD * kH *
 * kW). weight_shape is (out_channels, in_channels / groups, kD, kH, kW). `bias` (out_channels values) may be
 * NULL. */
CLCONV_API clconv_status clconv_init_uniform(const int64_t weight_shape[5], uint64_t seed, float *weight,
                                             float *bias, clconv_error *err);

/* One case of clconv_check(): an algorithm on a problem, against a double-precision reference on the host. */
typedef struct clconv_check_result {
    size_t number; /* of the case, from 0: the same case in every process */
    clconv_op op;
    const char *algorithm;
    const char *problem; /* text */
    const char
        *data; /* "integer" (must be exact), "random" (must be within the bound), or "special": random with a
                            NaN, infinities and a huge value in the input and the output's gradient */
    clconv_status status;
    const char *message; /* of the failure, or why it was skipped; "" if passed */
    double worst;        /* largest error as a share of the bound; above 1 is a failure */
    int skipped;         /* the algorithm rejects this problem */
    int passed;
} clconv_check_result;

/* What is told of a case: before it is run, of which only number, op, algorithm, problem and data are set then, and after.
 * Before it, anything but 0 leaves the case out. */
typedef int (*clconv_check_callback)(void *user, const clconv_check_result *result);

/* How many problems: a few by which every algorithm does every op that it can, those and every padding mode and more that
 * need few further programs, or all. */
typedef enum clconv_check_level {
    CLCONV_CHECK_QUICK,
    CLCONV_CHECK_USUAL,
    CLCONV_CHECK_FULL
} clconv_check_level;

typedef struct clconv_check_options {
    clconv_check_level level;
    size_t first, count;              /* the cases with the numbers from `first` on, so many at most */
    clconv_check_callback begin, end; /* may be NULL */
    void *user;
} clconv_check_options;

/* All cases of the usual level. */
CLCONV_API void clconv_check_options_init(clconv_check_options *options);

/* How many cases a level has. */
CLCONV_API size_t clconv_check_case_count(clconv_check_level level);

/* Checks the device: every op but transposed, by every algorithm that serves it, on a table of problems. options NULL: the
 * usual. *failures becomes the number of cases that differ from the reference or fail, which is no error of this call. */
CLCONV_API clconv_status clconv_check(clconv_context *context, const clconv_check_options *options,
                                      size_t *failures, clconv_error *err);

#ifdef __cplusplus
}
#endif
#endif
