/*
 * A disk that does what a test says, put under a program by LD_PRELOAD. The directory $FORUM_DISK holds what
 * the test says and what the program did:
 *
 *   syncs   one line at the beginning and one at the end of each fsync: "begin THREAD PATH", "end THREAD PATH"
 *   joins   one line for each thread whose end is waited for: its name
 *   hold    while it exists: an fsync of a file whose path contains the text in it waits
 *   slow    each fsync takes as many milliseconds longer as the number in it says
 *   quota   while it exists: a write to a file whose path contains the text in it fails with EDQUOT
 *   fail    the next fsync of a file whose path contains the text in it fails with EIO, and the order is used up
 *
 * A program with $FORUM_DIE_AT is killed just before its nth change of a file or directory, n from 1.
 * And $FORUM_CLOCK_AHEAD is added to the time of day, in seconds.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int in_directory(char *path, const char *name) {
    const char *directory = getenv("FORUM_DISK");
    return directory && snprintf(path, PATH_MAX, "%s/%s", directory, name) < PATH_MAX;
}

static void path_of(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    path[length < 0 ? 0 : length] = 0;
}

/* Whether the order `name` is given for the file behind `fd`. */
static int is_ordered(const char *name, int fd) {
    char order[PATH_MAX], path[PATH_MAX], wanted[PATH_MAX];
    int saved = errno;
    int file = in_directory(order, name) ? open(order, O_RDONLY | O_CLOEXEC) : -1;
    errno = saved;
    if (file < 0)
        return 0;
    ssize_t length = syscall(SYS_read, file, wanted, sizeof wanted - 1);
    close(file);
    wanted[length < 0 ? 0 : length] = 0;
    path_of(fd, path);
    return path[0] == '/' && strstr(path, wanted) != NULL;
}

static void append(const char *name, const char *line, int length) {
    char path[PATH_MAX];
    int file = in_directory(path, name) ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (file < 0)
        return;
    syscall(SYS_write, file, line, (size_t)length);
    close(file);
}

static void note(const char *what, int fd) {
    char path[PATH_MAX], line[2 * PATH_MAX];
    path_of(fd, path);
    append("syncs", line, snprintf(line, sizeof line, "%s %ld %s\n", what, syscall(SYS_gettid), path));
}

/* Something is about to be changed. */
static void step(void) {
    static atomic_long steps;
    const char *die_at = getenv("FORUM_DIE_AT");
    if (die_at && atomic_fetch_add(&steps, 1) + 1 == atol(die_at))
        kill(getpid(), SIGKILL);
}

/* Whether the order to fail is given for the file behind `fd`; it is used up by that. */
static int is_to_fail(int fd) {
    char order[PATH_MAX];
    if (!is_ordered("fail", fd) || !in_directory(order, "fail"))
        return 0;
    syscall(SYS_unlinkat, AT_FDCWD, order, 0);
    errno = EIO;
    return 1;
}

/* What each fsync takes longer, as is ordered. */
static struct timespec slowness(void) {
    char order[PATH_MAX], number[16] = "";
    int file = in_directory(order, "slow") ? open(order, O_RDONLY | O_CLOEXEC) : -1;
    if (file >= 0) {
        syscall(SYS_read, file, number, sizeof number - 1);
        close(file);
    }
    long ms = atol(number);
    return (struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
}

static int sync_with(long call, int fd) {
    const struct timespec moment = {.tv_nsec = 1000000}, slow = slowness();
    step();
    if (is_to_fail(fd))
        return -1;
    note("begin", fd);
    while (is_ordered("hold", fd))
        nanosleep(&moment, NULL);
    nanosleep(&slow, NULL);
    int result = (int)syscall(call, fd);
    note("end", fd);
    return result;
}

int fsync(int fd) { return sync_with(SYS_fsync, fd); }
int fdatasync(int fd) { return sync_with(SYS_fdatasync, fd); }

static int is_over_quota(int fd) {
    if (!is_ordered("quota", fd))
        return 0;
    errno = EDQUOT;
    return 1;
}

ssize_t write(int fd, const void *bytes, size_t count) {
    step();
    return is_over_quota(fd) ? -1 : syscall(SYS_write, fd, bytes, count);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset) {
    step();
    return is_over_quota(fd) ? -1 : syscall(SYS_pwrite64, fd, bytes, count, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) {
    step();
    return is_over_quota(fd) ? -1 : syscall(SYS_pwrite64, fd, bytes, count, offset);
}

static int open_with(const char *path, int flags, va_list arguments) {
    int makes = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
    mode_t mode = makes ? va_arg(arguments, mode_t) : 0;
    if (makes)
        step();
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int open(const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    int fd = open_with(path, flags, arguments);
    va_end(arguments);
    return fd;
}

int open64(const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    int fd = open_with(path, flags | O_LARGEFILE, arguments);
    va_end(arguments);
    return fd;
}

int mkdir(const char *path, mode_t mode) {
    step();
    return (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}

int unlink(const char *path) {
    step();
    return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

int rename(const char *from, const char *to) {
    step();
    return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int ftruncate(int fd, off_t length) {
    step();
    return (int)syscall(SYS_ftruncate, fd, length);
}

int ftruncate64(int fd, off64_t length) {
    step();
    return (int)syscall(SYS_ftruncate, fd, length);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    int result = (int)syscall(SYS_clock_gettime, clock, time);
    const char *ahead = clock == CLOCK_REALTIME ? getenv("FORUM_CLOCK_AHEAD") : NULL;
    if (ahead && result == 0)
        time->tv_sec += atoll(ahead);
    return result;
}

int pthread_join(pthread_t thread, void **result) {
    int (*join)(pthread_t, void **) = (int (*)(pthread_t, void **))dlsym(RTLD_NEXT, "pthread_join");
    char name[64] = "", line[80];
    pthread_getname_np(thread, name, sizeof name);
    append("joins", line, snprintf(line, sizeof line, "%s\n", name));
    return join(thread, result);
}
