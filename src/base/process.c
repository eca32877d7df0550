/* POSIX's side of process.h. The one global state of the library, since it is the process's own: a child must
 * learn what happened before it was forked, through whichever context or none.
 *
 * clconv knows of its own use of OpenCL. What other code of the process did shows in the driver, which the
 * OpenCL loader loads when it is first called: at each fork the modules of the process are searched for one.
 * A driver is what defines the function by which loaders ask a driver for its entry points (cl_khr_icd) and
 * is no loader itself. Children of vfork() and posix_spawn(), which run no handlers, must exec anyway. */
#define _GNU_SOURCE /* NOLINT(bugprone-reserved-identifier): for dl_iterate_phdr() */
#include "base/process.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

static _Atomic int64_t first_user; /* 0: none yet */

int64_t process_id(void)
{
    return (int64_t)getpid();
}

int64_t process_of_opencl(void)
{
    int64_t user = 0, self = process_id();
    return atomic_compare_exchange_strong(&first_user, &user, self) ? self : user;
}

#if defined(__linux__)
#include <link.h>
#include <sys/auxv.h>

bool process_is_privileged(void)
{
    return getauxval(AT_SECURE) != 0;
}

/* What the dynamic section of a loaded module points to. */
typedef struct module {
    const ElfW(Sym) * symbols;
    const char *strings;
    const uint32_t *hash; /* the GNU hash table: its size, first symbol, words of filter and a shift */
} module;

/* Most C libraries have made the addresses absolute. */
static const void *address_of(const ElfW(Dyn) * entry, ElfW(Addr) base)
{
    ElfW(Addr) at = entry->d_un.d_ptr;
    return (const void *)(at < base ? at + base : at);
}

static module read_module(const ElfW(Dyn) * entry, ElfW(Addr) base)
{
    module m = {NULL, NULL, NULL};
    for (; entry->d_tag != DT_NULL; entry++) {
        if (entry->d_tag == DT_SYMTAB) m.symbols = address_of(entry, base);
        if (entry->d_tag == DT_STRTAB) m.strings = address_of(entry, base);
        if (entry->d_tag == DT_GNU_HASH) m.hash = address_of(entry, base);
    }
    return m;
}

static bool is_symbol(const module *m, uint32_t index, const char *name)
{
    const ElfW(Sym) *symbol = &m->symbols[index];
    return symbol->st_shndx != SHN_UNDEF && strcmp(m->strings + symbol->st_name, name) == 0;
}

/* Buckets hold the first symbol of a chain of hashes; the last of a chain is odd. */
static bool defines(const module *m, const char *name)
{
    if (m->symbols == NULL || m->strings == NULL || m->hash == NULL || m->hash[0] == 0) return false;
    uint32_t buckets = m->hash[0], first = m->hash[1], hash = 5381;
    for (const char *c = name; *c != '\0'; c++)
        hash = hash * 33 + (unsigned char)*c;
    const uint32_t *bucket = m->hash + 4 + m->hash[2] * (sizeof(ElfW(Addr)) / sizeof *m->hash);
    const uint32_t *chain = bucket + buckets;
    uint32_t i = bucket[hash % buckets];
    if (i < first) return false;
    for (;; i++) {
        uint32_t other = chain[i - first];
        if ((other | 1) == (hash | 1) && is_symbol(m, i, name)) return true;
        if (other & 1) return false;
    }
}

static bool is_loader(const char *path)
{
    static const char name[] = "libOpenCL";
    const char *slash = strrchr(path, '/');
    return strncmp(slash != NULL ? slash + 1 : path, name, sizeof name - 1) == 0;
}

/* Not 0 for a driver, which ends the search. */
static int find_driver(struct dl_phdr_info *info, size_t size, void *user)
{
    (void)size, (void)user;
    if (is_loader(info->dlpi_name)) return 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        if (info->dlpi_phdr[i].p_type != PT_DYNAMIC) continue;
        ElfW(Addr) at = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
        module m = read_module((const ElfW(Dyn) *)at, info->dlpi_addr);
        if (defines(&m, "clGetExtensionFunctionAddress")) return 1;
    }
    return 0;
}

static bool driver_is_loaded(void)
{
    return dl_iterate_phdr(find_driver, NULL) != 0;
}
#else
bool process_is_privileged(void)
{
    return getuid() != geteuid() || getgid() != getegid();
}

static bool driver_is_loaded(void)
{
    return false;
}
#endif

/* Runs in the parent, where dl_iterate_phdr() is safe. */
static void before_fork(void)
{
    if (atomic_load(&first_user) == 0 && driver_is_loaded()) process_of_opencl();
}

/* When the library is loaded, since the first fork may come before the first call. If memory is out for it,
 * only clconv's own use of OpenCL is noticed. */
__attribute__((constructor)) static void watch_forks(void)
{
    (void)pthread_atfork(before_fork, NULL, NULL);
}
