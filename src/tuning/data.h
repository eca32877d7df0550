/* Tuning data: what was measured of classes of problems on devices, and the text that it is kept in (docs/tuning-and-caches.md
 * describes it for people):
 *
 *     clconv tuning 1
 *
 *     entry best
 *     platform Portable Computing Language
 *     device pthread-Intel(R) Xeon(R) Processor
 *     driver 3.1
 *     clconv 0.1.0 c0ffee0123456789
 *     op forward
 *     problem mb1ic64id8ih56iw56oc64kd3kh3kw3sd1sh1sw1pd1ph1pw1dd0dh0dw0g1
 *     manner float32 zeros packed
 *     algorithm direct
 *     parameters out_channels=4,vectors=6
 *     default winograd_fused
 *     time_ns 1234567
 *     default_ns 1400000
 *     noise_ppm 8000
 *     reason -
 *     tuned 1764560000
 *     sum 0123456789abcdef0123456789abcdef
 *
 *     end
 *
 * A sum is XXH3 over its entry's lines before it. Lines that begin with # and empty ones may stand between entries. The last line
 * is `end`; the first may follow it, so that two files one after the other are a file. It is read whole or not at all. */
#ifndef CLCONV_TUNING_DATA_H
#define CLCONV_TUNING_DATA_H

#include "base/entry.h"
#include "base/text.h"
#include "tuning/class.h"

#include <stdint.h>

/* Of a device, a driver and the kernels of this library: data of others are not used. */
typedef struct tuning_place {
    char platform[128], device[256], driver[128], build[64];
} tuning_place;

void tuning_place_of(const clconv_device_info *info, tuning_place *place);

typedef enum tuning_kind {
    TUNING_BEST,  /* what to use for a class of problems */
    TUNING_TRIAL, /* a candidate that was measured, while the best is not known */
    TUNING_FAILED /* a candidate that is never to be tried again */
} tuning_kind;

/* The algorithm of the best where nothing beats what is chosen without data. */
#define TUNING_DEFAULT "auto"

typedef struct tuning_entry {
    tuning_kind kind;
    tuning_place place;
    tuning_class class;
    char algorithm[64], parameters[256]; /* no parameters: the algorithm's own */
    char usual[64];                      /* the algorithm that is chosen without data */
    int64_t time_ns, default_ns;         /* medians of runs in turns */
    int64_t noise_ppm;
    char reason[256]; /* of a failure */
    int64_t tuned;    /* when, in seconds since 1970 */
} tuning_entry;

typedef struct tuning_data {
    tuning_entry *entries; /* owned */
    size_t count, capacity;
} tuning_data;

void tuning_release(tuning_data *data);

/* Adds an entry, in place of one of the same kind, place, class and, unless it is the best, candidate if that is not newer.
 * The best takes the place of the class's trials, unless there is a
 * reason why it is not final. */
clconv_status tuning_add(tuning_data *data, const tuning_entry *entry, clconv_error *err);

/* All entries of another; its newer ones win. */
clconv_status tuning_merge(tuning_data *data, const tuning_data *other, clconv_error *err);

/* Adds what a text holds, or nothing: what is wrong with it is CLCONV_FILE_FAILED and names `file` and the line. */
clconv_status tuning_parse(byte_span text, const char *file, tuning_data *data, clconv_error *err);

/* Appends the text of the entries in a fixed order, without trials unless they are wanted. */
void tuning_format(tuning_data *data, bool with_trials, text *out);

/* The best for the nearest class, no farther than TUNING_REACH; NULL if there is none. */
#define TUNING_REACH 2.0
const tuning_entry *tuning_nearest(const tuning_data *data, const tuning_place *place, const tuning_class *c,
                                   double *distance);

/* The best, or the candidate's trial, of exactly this class; the candidate's failure for whatever class. */
const tuning_entry *tuning_find(const tuning_data *data, const tuning_entry *like);

#endif
