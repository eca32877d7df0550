/* A folder of entries (entry.h), each a file named by its key's hash and a suffix. Any number of processes may use one at
 * once and end at any moment: an entry is written to a temporary name under a lock that dies with its process, and
 * renamed. So a file is a whole entry or it is not there; and if it were neither, it is not used.
 *
 * The folder is the user's own (0700, and no symbolic link), what it holds is regular files of the user's; nothing else is
 * read, and nothing is removed whose name is not such a one. Past `limit` bytes the entries go that were not used for
 * longest. */
#ifndef CLCONV_BASE_STORE_H
#define CLCONV_BASE_STORE_H

#include "base/entry.h"

#include <stdint.h>

typedef struct store store;

enum { STORE_WHY = 512 };

/* NULL, and the reason in `why`, if there is no such folder and it cannot be made, or it is not safe: then *is_unsafe. */
store *store_open(const char *path, int64_t limit, char why[STORE_WHY], bool *is_unsafe);
void store_close(store *s);

typedef enum store_result {
    STORE_FOUND,
    STORE_ABSENT,
    STORE_DAMAGED, /* no whole entry */
    STORE_FOREIGN, /* a whole one of another key */
    STORE_FAILED   /* cannot be read: no memory, not a file of the user's */
} store_result;

/* An entry that was read, to be released. */
typedef struct stored {
    char *file;
    byte_span key, content;
} stored;

/* Suffixes are of lower-case letters. What is found counts as used now. */
store_result store_load(const store *s, const char *suffix, byte_span key, stored *entry);
void stored_release(stored *entry);

/* Whether there is a file under that key, whatever it holds. */
bool store_has(const store *s, const char *suffix, byte_span key);

/* False, and the reason in `why`, if it is not kept; not even if another process is just writing the same entry. `lasts`:
 * waits until it is on the disk. */
bool store_save(const store *s, const char *suffix, byte_span key, byte_span content, bool lasts,
                char why[STORE_WHY]);

void store_remove(const store *s, const char *suffix, byte_span key);

typedef struct store_item {
    const char *name;
    int64_t bytes, used; /* seconds since 1970 */
    store_result result;
    byte_span key, content; /* if it is found */
} store_item;

/* Not 0 ends the visit. */
typedef int (*store_visitor)(void *user, const store_item *item);

/* Each entry with this suffix, read and checked, in the order of names. False if the folder cannot be read. */
bool store_visit(const store *s, const char *suffix, store_visitor visit, void *user);

/* Removes a file by the name that a visit gave. */
void store_remove_name(const store *s, const char *name);

/* Removes every entry and what killed processes left; how many files. */
int64_t store_clear(const store *s);

/* For one process at a time to do something: what to leave, or -1 while another holds it. */
int store_hold(const store *s, const char *name);
void store_leave(int held);

int64_t store_limit(const store *s);

/* Adds to the counts that the folder keeps under these names, and gives their sums; adds nothing if `counts` are zeros. */
void store_count(const store *s, const char *const *names, int64_t *counts, int count);

#endif
