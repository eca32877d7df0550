/* Joins what libdeflate makes; see deflate.h. A block's end within its last byte is not told, and to find it
 * by decoding would cost more than compressing did. But it follows from the code of the symbol that ends every
 * block: behind it come only the zeros that fill the byte, so that the trailing zeros of the last byte are
 * those of the code and the filling. A code of zeros alone (static blocks have it) tells nothing; such data
 * is stored as it is. */
#include "files/deflate.h"

#include <libdeflate.h>
#include <stdbool.h>
#include <string.h>

enum { END_OF_BLOCK = 256, LITERAL_CODES = 288, LENGTH_CODES = 19, LONGEST_CODE = 15 };
enum { BLOCK_DYNAMIC = 2, STORED_HEADER = 5, SHORTEST_PART = DEFLATE_PIECE / 8 };

size_t deflate_room(size_t bytes)
{
    return bytes + STORED_HEADER * (1 + bytes / SHORTEST_PART);
}

/* Bits of a block, the lowest of each byte first. Behind the last come zeros. */
typedef struct bit_reader {
    const unsigned char *bytes;
    size_t count, used; /* bytes; bits */
} bit_reader;

static unsigned take_bits(bit_reader *r, unsigned count)
{
    unsigned value = 0;
    for (unsigned i = 0; i < count; i++, r->used++) {
        unsigned byte = r->used / 8 < r->count ? r->bytes[r->used / 8] : 0;
        value |= (byte >> r->used % 8 & 1U) << i;
    }
    return value;
}

/* A symbol of the canonical code that gives each of LENGTH_CODES symbols its length; -1 if there is none. */
static int take_symbol(bit_reader *r, const unsigned char lengths[LENGTH_CODES])
{
    unsigned code = 0, first = 0;
    for (unsigned length = 1; length <= 7; length++) {
        unsigned found = 0;
        code |= take_bits(r, 1);
        for (int symbol = 0; symbol < LENGTH_CODES; symbol++) {
            if (lengths[symbol] != length) continue;
            if (code - first == found++) return symbol;
        }
        first = (first + found) << 1;
        code <<= 1;
    }
    return -1;
}

/* The lengths of the literal codes of a dynamic block, behind the three bits of its kind. */
static bool take_lengths(bit_reader *r, unsigned char lengths[LITERAL_CODES])
{
    static const unsigned char order[LENGTH_CODES] = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                                      11, 4,  12, 3, 13, 2, 14, 1, 15};
    unsigned char of_lengths[LENGTH_CODES] = {0};
    unsigned literals = take_bits(r, 5) + 257;
    take_bits(r, 5);
    unsigned codes = take_bits(r, 4) + 4;
    for (unsigned i = 0; i < codes; i++)
        of_lengths[order[i]] = (unsigned char)take_bits(r, 3);
    if (literals > LITERAL_CODES) return false;
    for (unsigned i = 0; i < literals;) {
        int symbol = take_symbol(r, of_lengths);
        unsigned char length = (unsigned char)symbol;
        unsigned repeats = 1;
        if (symbol < 0 || (symbol == 16 && i == 0)) return false;
        if (symbol >= 16) length = symbol == 16 ? lengths[i - 1] : 0;
        if (symbol == 16) repeats = 3 + take_bits(r, 2);
        if (symbol == 17) repeats = 3 + take_bits(r, 3);
        if (symbol == 18) repeats = 11 + take_bits(r, 7);
        for (; repeats > 0 && i < literals; repeats--)
            lengths[i++] = length;
    }
    return true;
}

/* How many zeros the end's code ends in; -1 if it is of zeros alone. */
static int zeros_of_end(const unsigned char lengths[LITERAL_CODES])
{
    unsigned counts[LONGEST_CODE + 1] = {0}, code = 0, end = lengths[END_OF_BLOCK];
    int zeros = 0;
    for (int i = 0; i < LITERAL_CODES; i++)
        if (lengths[i] < end || (lengths[i] == end && i < END_OF_BLOCK)) counts[lengths[i]]++;
    for (unsigned length = 1; length <= end; length++)
        code = (code << 1) + counts[length];
    if (code == 0) return -1;
    for (; (code & 1) == 0; code >>= 1)
        zeros++;
    return zeros;
}

/* The zeros after the last bit that is set. */
static int zeros_of_bytes(const unsigned char *bytes, size_t count)
{
    int zeros = 0;
    for (; count > 0 && bytes[count - 1] == 0; count--)
        zeros += 8;
    for (unsigned last = count > 0 ? bytes[count - 1] : 128; last < 128; last <<= 1)
        zeros++;
    return zeros;
}

/* Makes the final block that is all of these bytes one that is not final, followed by an empty stored block,
 * which ends on a byte's boundary. Returns how many bytes there are then; 0 if that cannot be done. */
static size_t join(unsigned char *bytes, size_t count)
{
    bit_reader r = {bytes, count, 3};
    unsigned char lengths[LITERAL_CODES] = {0};
    if ((bytes[0] >> 1 & 3) != BLOCK_DYNAMIC || !take_lengths(&r, lengths)) return 0;
    int of_code = zeros_of_end(lengths), filling = zeros_of_bytes(bytes, count) - of_code;
    if (of_code < 0 || filling < 0 || filling > 7) return 0;
    bytes[0] &= 0xfe;
    if (filling < 3) bytes[count++] = 0; /* the three zeros that announce a stored block need another byte */
    memcpy(bytes + count, "\0\0\xff\xff", 4);
    return count + 4;
}

static size_t store(const unsigned char *data, size_t bytes, unsigned char *to)
{
    to[0] = 0;
    to[1] = (unsigned char)(bytes & 0xff);
    to[2] = (unsigned char)(bytes >> 8);
    to[3] = (unsigned char)~to[1];
    to[4] = (unsigned char)~to[2];
    memcpy(to + STORED_HEADER, data, bytes);
    return bytes + STORED_HEADER;
}

size_t deflate_piece(struct libdeflate_compressor *compressor, const unsigned char *data, size_t bytes,
                     unsigned char *to)
{
    size_t used = 0, part = bytes;
    while (bytes > 0) {
        if (part > bytes) part = bytes;
        size_t count = libdeflate_deflate_compress(compressor, data, part, to + used, part);
        bool is_one = count > 0 && (to[used] & 1) != 0;
        if (count > 0 && !is_one && part > SHORTEST_PART) {
            part = part / 2;
            continue;
        }
        count = is_one ? join(to + used, count) : 0;
        used += count > 0 ? count : store(data, part, to + used);
        data += part;
        bytes -= part;
    }
    return used;
}
