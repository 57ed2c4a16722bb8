/* Loaded before a server by LD_PRELOAD: each fsync and fdatasync takes so many microseconds more as
   BENCH_SYNC_DELAY_US says. Stands for a disk that is slower than the one of the machine. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

static int delayed(const char *name, int fd) {
  const char *said = getenv("BENCH_SYNC_DELAY_US");
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
  if (said) usleep((useconds_t)atoi(said));
  return real(fd);
}

int fsync(int fd) { return delayed("fsync", fd); }
int fdatasync(int fd) { return delayed("fdatasync", fd); }
