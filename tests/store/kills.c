/* store_kills COUNT: eight processes read and write the same entries of one store, and are killed COUNT times at random
 * moments and started again. No read may give what nobody wrote under that key; afterwards every key can be written, no
 * file is left that is not a whole entry, and the store keeps to its limit. */
#define _XOPEN_SOURCE 700
#include "base/store.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PROCESSES = 8, KEYS = 12, LARGEST = 96 << 10, LIMIT = 512 << 10, WRONG_READ = 3, BROKEN = 4 };

static const char suffix[] = "program";

static uint64_t next(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

/* Content that tells by itself whether it is whole and of this key: a seed, and what follows from seed and key. */
static size_t fill(char *content, uint64_t seed, int key)
{
    uint64_t state = seed ^ (uint64_t)key << 40;
    size_t words = 1 + next(&state) % (LARGEST / 8 - 1);
    memcpy(content, &seed, 8);
    for (size_t i = 1; i < words; i++) {
        uint64_t word = next(&state);
        memcpy(content + 8 * i, &word, 8);
    }
    return 8 * words;
}

static bool is_right(byte_span content, int key)
{
    static char expected[LARGEST];
    uint64_t seed;
    if (content.size < 8) return false;
    memcpy(&seed, content.bytes, 8);
    return byte_span_equals(content, (byte_span){expected, fill(expected, seed, key)});
}

static byte_span key_of(int key, char text[32])
{
    snprintf(text, 32, "key %d", key);
    return byte_span_of(text);
}

static store *open_store(const char *folder)
{
    char why[STORE_WHY];
    bool is_unsafe;
    store *s = store_open(folder, LIMIT, why, &is_unsafe);
    if (s == NULL) fprintf(stderr, "no store: %s\n", why);
    return s;
}

/* Until it is killed. */
static int use(const char *folder, uint64_t seed)
{
    static char content[LARGEST];
    char text[32], why[STORE_WHY];
    store *s = open_store(folder);
    if (s == NULL) return BROKEN;
    for (;;) {
        int key = (int)(next(&seed) % KEYS);
        stored entry = {NULL};
        store_result result = store_load(s, suffix, key_of(key, text), &entry);
        if (result == STORE_DAMAGED || result == STORE_FOREIGN) return WRONG_READ;
        if (result == STORE_FOUND && !is_right(entry.content, key)) return WRONG_READ;
        stored_release(&entry);
        size_t size = fill(content, next(&seed), key);
        bool lasts = next(&seed) % 64 == 0;
        (void)store_save(s, suffix, key_of(key, text), (byte_span){content, size}, lasts, why);
    }
}

static pid_t start(const char *folder, uint64_t seed)
{
    pid_t child = fork();
    if (child == 0) _exit(use(folder, seed));
    return child;
}

/* 0 if it ran until it was killed. */
static int stop(pid_t child)
{
    int status = 0;
    kill(child, SIGKILL);
    if (waitpid(child, &status, 0) != child) return BROKEN;
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL ? 0 : status;
}

static int kill_at_random(const char *folder, int count)
{
    pid_t children[PROCESSES];
    uint64_t seed = 1;
    int fault = 0;
    for (int i = 0; i < PROCESSES; i++)
        children[i] = start(folder, next(&seed));
    for (int i = 0; i < count && fault == 0; i++) {
        const struct timespec pause = {.tv_nsec = (long)(next(&seed) % 4000000)};
        nanosleep(&pause, NULL);
        int victim = (int)(next(&seed) % PROCESSES);
        fault = stop(children[victim]);
        children[victim] = start(folder, next(&seed));
    }
    for (int i = 0; i < PROCESSES; i++) {
        int last = stop(children[i]);
        if (fault == 0) fault = last;
    }
    return fault;
}

typedef struct tally {
    int found, others;
} tally;

static int note(void *user, const store_item *item)
{
    tally *t = user;
    if (item->result == STORE_FOUND)
        t->found++;
    else
        t->others++;
    return 0;
}

static int files_in(const char *folder)
{
    int count = 0;
    DIR *stream = opendir(folder);
    for (struct dirent *e; stream != NULL && (e = readdir(stream)) != NULL;)
        count += e->d_name[0] != '.';
    if (stream != NULL) closedir(stream);
    return count;
}

/* What is wrong with what they left; NULL if nothing is. */
static const char *judge(const char *folder, store *s)
{
    static const char small[] = "small";
    char text[32], why[STORE_WHY];
    tally t = {0, 0};
    if (files_in(folder) > 2 * KEYS) return "more files are left than entries and one temporary for each";
    if (!store_visit(s, suffix, note, &t) || t.others > 0) return "an entry is not whole";
    if (t.found == 0) return "no entry was ever written";
    printf("%d entries, %d files; ", t.found, files_in(folder));
    for (int key = 0; key < KEYS; key++)
        if (!store_save(s, suffix, key_of(key, text), byte_span_of(small), true, why))
            return "a key cannot be written";
    if (files_in(folder) != KEYS) return "something beside the entries is left";
    return NULL;
}

int main(int argc, char **argv)
{
    char folder[] = "/tmp/clconv-kills-XXXXXX";
    int count = argc == 2 ? (int)strtol(argv[1], NULL, 10) : 0;
    if (count <= 0 || mkdtemp(folder) == NULL) return EXIT_FAILURE;
    int fault = kill_at_random(folder, count);
    store *s = open_store(folder);
    const char *wrong = s == NULL ? "no store" : judge(folder, s);
    if (s != NULL) store_clear(s);
    store_close(s);
    if (rmdir(folder) != 0 && wrong == NULL) wrong = "the folder is not empty after it was cleared";
    if (fault != 0) printf("a process ended by itself: %d; ", fault);
    printf("%d kills: %s\n", count, wrong != NULL ? wrong : fault != 0 ? "failed" : "all well");
    return fault != 0 || wrong != NULL ? EXIT_FAILURE : EXIT_SUCCESS;
}
