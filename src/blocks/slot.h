/* One of the blocks that are under way: its tensors on the device, and host memory for what is copied there and back, so
 * that one block is read and another written while a third is computed. */
#ifndef CLCONV_BLOCKS_SLOT_H
#define CLCONV_BLOCKS_SLOT_H

#include "blocks/copy.h"
#include "plan/context.h"

/* What an op does with a tensor of each shape. */
typedef enum tensor_use { USE_NONE, USE_READ, USE_MADE } tensor_use;

typedef struct block_slot {
    cl_mem memory[BLOCK_TENSORS];
    char *stage[BLOCK_TENSORS]; /* NULL where the whole is dense */
    int64_t channel;            /* whose weights are on the device; -1: none */
    bool is_busy;
    block block; /* that is under way */
    cl_event written, computed, read;
} block_slot;

/* Queues that are in order and do not wait for each other but by the events of slots. */
typedef struct slot_queues {
    cl_command_queue up, compute, down;
} slot_queues;

/* Memory for tensors of so many bytes. */
clconv_status slot_reserve(const runtime *rt, const tensor_use *uses, const size_t *bytes, block_slot *slot,
                           clconv_error *err);

/* Enqueues the copy of a tensor to the device; `from` stays until the slot is free. */
clconv_status slot_write(block_slot *slot, const slot_queues *queues, int tensor, const void *from,
                         size_t bytes, clconv_error *err);

/* Enqueues the copy of what has been made to the stage. */
clconv_status slot_read(block_slot *slot, const slot_queues *queues, int tensor, size_t bytes,
                        clconv_error *err);

/* Waits until what has been made is in the stage. */
clconv_status slot_wait(block_slot *slot, clconv_error *err);

/* Nothing of it is under way. */
void slot_release(block_slot *slot);

#endif
