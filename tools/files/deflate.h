/* Pieces of one deflate stream, made independently of each other, so that threads can make them at once and a
 * .gz still is a single member: readers in browsers, among others, take no second one. libdeflate compresses;
 * it ends whatever it writes with a final block, which is turned here into a block with more to follow.
 * Reference: RFC 1951. */
#ifndef CLCONV_TOOLS_FILES_DEFLATE_H
#define CLCONV_TOOLS_FILES_DEFLATE_H

#include <stddef.h>

struct libdeflate_compressor;

/* Short enough for libdeflate to make one block of it, as a rule, and long enough for the block's table of
 * codes to weigh little. */
enum { DEFLATE_PIECE = 16384 };

/* What `bytes` of data may grow to. */
size_t deflate_room(size_t bytes);

/* Compresses up to DEFLATE_PIECE bytes into `to`, which has deflate_room() of them; returns how many it
 * wrote. They start and end on a byte's boundary and refer to nothing before them. */
size_t deflate_piece(struct libdeflate_compressor *compressor, const unsigned char *data, size_t bytes,
                     unsigned char *to);

#endif
