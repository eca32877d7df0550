/* What a machine is to the choice of an algorithm: the one place for rates, capacities and ratios of devices.
 *
 * A family holds what was measured on one machine and stands for all like it, so that the choice is the same on all of
 * them; nothing is measured in passing. A GPU's peak is that of the device itself, by what it says of itself, and its
 * memory's rate goes with it. What decides the order of a sum is not a
 * family's. Costs are in the time of a multiply-add, of a lane or of a vector of them, at the peak; shares are of the peak.
 * docs/machines.md says where the numbers come from and how to add a family. */
#ifndef CLCONV_MACHINE_MACHINE_H
#define CLCONV_MACHINE_MACHINE_H

#include "clconv.h"

#include <stdbool.h>

/* A core's loads, in the time of a multiply-add of a vector. */
typedef struct machine_core {
    double weight_load; /* a value that is broadcast */
    double split_load;  /* a vector that lies across cache lines */
    double in_flight;   /* multiply-adds that fill the pipeline */
} machine_core;

/* Register tiles of output channels and vectors of positions (direct.clh, panels.clh). */
typedef struct machine_tiles {
    double volume;         /* share that padded volumes allow, */
    double strided_volume; /* those of strides, on more pages, */
    double one_tap;        /* those of kernels of one tap, whose channels lie far apart, */
    double deep_volume;    /* those of kernels of one row and column, */
    double panel;          /* panels, */
    double frequency;      /* and those of transforms, many, short and from caches further away */
    double conflict;       /* times as much where blocks of output channels evict each other's input */
    double start;          /* products of a tile as long as its place and its stores */
    double short_tile;     /* vectors that a tile with less than all takes longer */
} machine_tiles;

/* Blocks in slices (steps/slices.c, steps/panel_slices.c). A lane's multiply-adds. */
typedef struct machine_slices {
    double pad;          /* an element that is padded, */
    double pad_phase;    /* or sorted by phase */
    double row;          /* elements as long as a row's start and end */
    double far_weights;  /* times the share where no core holds a block's weights */
    double copy;         /* times memory's time for what is written to a slice that a core holds, */
    double far_copy;     /* and more where none does */
    double panel_vector; /* a vector copied into panels, a vector's multiply-adds */
    double panel_row;    /* a row of a tile of panels more than its products, likewise */
    double pack;         /* an element packed into panels */
    double turn_quad;    /* a vector of rows of at most 4 taps turned into panels, */
    double turn;         /* or of more, likewise */
} machine_slices;

/* Transforms (winograd*.cl). A lane's multiply-adds, those of winograd_fused at its transforms' share. */
typedef struct machine_winograd {
    double share;          /* of transforms that are a kernel of their own */
    double scatter;        /* times memory's time more for frequencies that are written far apart */
    double weight_share;   /* of transforms of weights */
    double fused_share;    /* of those in winograd_fused, additions mostly, */
    double product_share;  /* and of its products */
    double depth_share;    /* of the products of winograd_depth_fused */
    double depth_in;       /* a frequency of it, of an input, */
    double depth_out;      /* or of an output */
    double in;             /* a frequency of winograd_fused, of an input, */
    double in_wide;        /* of kernels of 5 taps, */
    double in_registers;   /* or with sums in registers */
    double out_wide;       /* the same of an output, of kernels of 5 taps, */
    double out_quad;       /* of tiles of 4 or narrow ones, */
    double out_pair;       /* of others, */
    double out_narrow_sum; /* with sums in registers, narrow */
    double out_sum;        /* or not */
    double out_pieces;     /* stored in pieces as long as the dilation, times that, */
    double out_piece;      /* or in ones of 8 and more */
    double far_slices;     /* times as fast as memory are slices that no core holds */
    double cut_rows;       /* in the choice of blocks: inputs that are read again, */
    double over_slice;     /* and a slice beyond its size */
} machine_winograd;

/* winograd_channels. A vector's multiply-adds. */
typedef struct machine_winograd_channels {
    double share;
    double row, cells, in;      /* a row of cells, a vector of it, a frequency of a vector of inputs */
    double tap;                 /* a tap more than its products */
    double loop, sum;           /* a channel of a rectangle, a sum of it */
    double out, turn, far_turn; /* a frequency of outputs; a position turned into rows, or from memory */
    double weight;              /* a vector of weights that comes anew for each unit */
} machine_winograd_channels;

/* direct_channels. A vector's multiply-adds. */
typedef struct machine_channels {
    double share;
    double tap_loads;         /* of a tap, besides weights and elements, two at a time */
    double least_tap, tap;    /* a tap at least, and for each vector more */
    double late;              /* a line that comes late */
    double sum, turn, loop;   /* a sum of a block; turned into rows; a channel of a rectangle */
    double far, far_conflict; /* times memory's time of a volume that no cache holds, or few sets of one */
    double one_tap;           /* times memory's time of large weights of one tap */
} machine_channels;

/* One input channel at a time (depthwise*.cl). */
typedef struct machine_depthwise {
    double share, strided_share;
    double deep;  /* times as much where a loaded vector is used for many planes */
    double piece; /* a piece of a row stored, a vector's multiply-adds */
    double channels_share;
    double turn_in, turn_out; /* depthwise_channels: an element turned, a lane's multiply-adds; */
    double row;               /* a row's taps, likewise */
} machine_depthwise;

/* The weight's gradient. */
typedef struct machine_weights {
    double share;
    double lanes_share; /* where vectors run along output channels */
    double line;        /* a vector of a channel or a row, a vector's multiply-adds */
    double split_load;  /* loads that a vector across lines counts for, */
    double least, step; /* multiply-adds of a tile's step at least, and more */
    double tile_end;    /* lanes as long as adding up a tile's sums */
    double far;         /* times memory's time of sums that no core holds */
    double square;      /* weight_unfold: a vector of a row turned, for each of its elements, */
    double element;     /* and under strides an element; a lane's multiply-adds */
} machine_weights;

/* The rest. */
typedef struct machine_plain {
    double streamed_share;   /* pointwise_streamed: of few output channels, whose sums are in memory, */
    double streamed_step;    /* a step more than its products or loads, a vector's multiply-adds, */
    double streamed_sum;     /* loading and storing a vector of sums, likewise, */
    double streamed_near;    /* times memory's time where the input is in a cache */
    double unfold;           /* a tap of a position and a block of channels found, a lane's multiply-adds, */
    double unfold_far;       /* times memory's time for rows that are written by runs */
    double indexed_share;    /* the definition: of 8 output channels, */
    double indexed_strided;  /* times as much under strides, */
    double indexed_gradient; /* share of gradients */
    double gemm_share;       /* CLBlast */
    double implicit_share;   /* implicit_gemm, of a tile that reads nothing but registers */
    double row_bytes;        /* bytes that memory moves in the time of a row's start and end */
} machine_plain;

/* A tile of a product of matrices in local memory: parameters of implicit_gemm. */
typedef struct machine_gemm_tile {
    int64_t channels, positions, slab, out_channels, out_positions;
} machine_gemm_tile;

enum { MACHINE_GEMM_TILES = 8 };

/* What a GPU has beside rates: of a usual device of the family, where a device does not say it itself. */
typedef struct machine_gpu {
    double multiply_adds; /* of a compute unit in a clock */
    int64_t units, clock_mhz;
    int64_t lanes; /* work-items that run in step */
    int64_t work_group, local_memory;
    int64_t registers; /* of 32 bits, for a work-item while so many run at a time as hide latency */
    bool local_pays;   /* local memory is a memory of its own */
    machine_gemm_tile tiles[MACHINE_GEMM_TILES]; /* the best for large products first; zeros end them */
} machine_gpu;

typedef struct machine {
    const char *name;
    const machine_gpu *gpu;  /* NULL where work-items are no lanes */
    double flops_per_second; /* of the whole device in fp32; only the rates' ratios matter */
    double bytes_per_second; /* of its memory */
    double launch_seconds;
    int64_t cache_way;     /* bytes: of a core's nearest cache a way, */
    int64_t core_cache;    /* what a core has to itself, */
    int64_t shared_cache;  /* and what it can count on of what cores share */
    int64_t between_steps; /* bytes that a step leaves to the next at a time */
    machine_core core;
    machine_tiles tiles;
    machine_slices slices;
    machine_winograd winograd;
    machine_winograd_channels winograd_channels;
    machine_channels channels;
    machine_depthwise depthwise;
    machine_weights weights;
    machine_plain plain;
} machine;

/* The family of a device: of its type, vendor, architecture and vector width. Never NULL. The one place that knows
 * devices by their names. */
const machine *machine_of(const clconv_device_info *info);

/* The same of GPUs alone. */
const machine *machine_of_gpu(const clconv_device_info *info);

/* How many times as fast as the usual device of its family a GPU is, by its units and its clock; 1 for all others. */
double machine_speed(const machine *m, const clconv_device_info *info);

/* Fills what a usual device of the family would say of itself; false if there is no such family. */
bool machine_example(const char *family, clconv_device_info *info);
bool machine_example_gpu(const char *family, clconv_device_info *info);

/* The names of all families, NULL past the end. */
const char *machine_name(size_t index);
const char *machine_name_gpu(size_t index);

/* Whether the vendor or the device has a word in its name, whatever its case. */
bool machine_has_word(const clconv_device_info *info, const char *word);

/* How many times as fast as its memory a GPU's cache is, for what work-groups read again. */
enum { MACHINE_CACHE_RATE = 4 };

/* What a step does. */
typedef struct work {
    double flops;   /* arithmetic, waste included */
    double bytes;   /* moved at least */
    double busy;    /* multiply-adds of a lane at the peak that take as long */
    double traffic; /* bytes of memory that take as long */
} work;

/* Seconds that a step should take on a device of such a speed: the one place where work becomes time. */
double machine_seconds(const machine *m, double speed, int64_t element_size, const work *w);

/* In how many launches a step of so many seconds should be enqueued. A GPU draws the screen too, and a system stops one that is
 * busy for seconds: none takes above a tenth of a second, even where it needs four times the estimate. Others take one. */
int64_t machine_launches(const machine *m, double seconds);

/* The share of the peak of a register tile of out_channels values by so many vectors: two multiply-adds or two loads a
 * cycle. */
double machine_tile_share(const machine *m, int64_t out_channels, int64_t vectors);

#endif
