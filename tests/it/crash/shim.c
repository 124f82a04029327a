/* Preloaded into `lockstep run` by tests.
 *
 * SHIM_FOLDER, SHIM_DISK: what a power cut leaves. At each fsync or fdatasync of a file in SHIM_FOLDER the file's
 * content goes to SHIM_DISK under the same name: that is what is durable. At a sync of the folder itself, files that
 * are gone from it go there too.
 *
 * SHIM_CLOCK: a file of eight bytes, the seconds by which the real-time clock is wrong.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const char *folder, *disk;
static volatile int64_t *wrong_by;

__attribute__((constructor)) static void begin(void) {
    folder = getenv("SHIM_FOLDER");
    disk = getenv("SHIM_DISK");
    const char *clock = getenv("SHIM_CLOCK");
    int fd = clock ? open(clock, O_RDONLY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        void *shared = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
        wrong_by = shared == MAP_FAILED ? NULL : shared;
        close(fd);
    }
}

static void must(int holds, const char *what) {
    if (!holds) {
        perror(what);
        abort();
    }
}

/* Files that were removed are gone for good. */
static void forget(void) {
    DIR *kept = opendir(disk);
    must(kept != NULL, disk);
    for (struct dirent *entry; (entry = readdir(kept)) != NULL;) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] != '.' && access(path, F_OK) != 0) {
            snprintf(path, sizeof path, "%s/%s", disk, entry->d_name);
            unlink(path);
        }
    }
    closedir(kept);
}

/* Reads by the descriptor that was synced: closing another one of the file would drop SQLite's locks on it. */
static void keep(int fd, const char *name) {
    static _Thread_local char block[1 << 16];
    char beside[PATH_MAX], path[PATH_MAX];
    snprintf(beside, sizeof beside, "%s/.%s.%ld", disk, name, (long)syscall(SYS_gettid));
    snprintf(path, sizeof path, "%s/%s", disk, name);
    int copy = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    must(copy >= 0, beside);
    off_t at = 0;
    for (ssize_t got; (got = pread(fd, block, sizeof block, at)) != 0; at += got) {
        must(got > 0 && write(copy, block, (size_t)got) == got, name);
    }
    close(copy);
    must(rename(beside, path) == 0, path);
}

static int synced(int fd, int result) {
    char link[64], path[PATH_MAX];
    if (result != 0 || !folder || !disk) return result;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return result;
    path[length] = 0;
    size_t prefix = strlen(folder);
    if (strcmp(path, folder) == 0) {
        forget();
    } else if (strncmp(path, folder, prefix) == 0 && path[prefix] == '/' && !strchr(path + prefix + 1, '/')) {
        keep(fd, path + prefix + 1);
    }
    return result;
}

int fsync(int fd) { return synced(fd, (int)syscall(SYS_fsync, fd)); }

int fdatasync(int fd) { return synced(fd, (int)syscall(SYS_fdatasync, fd)); }

int clock_gettime(clockid_t clock, struct timespec *time) {
    int result = (int)syscall(SYS_clock_gettime, clock, time);
    if (result == 0 && clock == CLOCK_REALTIME && wrong_by) time->tv_sec += *wrong_by;
    return result;
}
