// refuse-io-uring ERRNO ENTRIES COMMAND...: runs a command to which the kernel refuses io_uring with that errno, as the seccomp
// profiles of container runtimes do (EPERM = 1, ENOSYS = 38). With ENTRIES above 0 it only refuses rings with more entries
// than that. Linux; no privileges needed.
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#ifndef __NR_io_uring_setup
#define __NR_io_uring_setup 425
#define __NR_io_uring_register 427
#endif

int main(int count, char** arguments) {
  if (count < 4) {
    fprintf(stderr, "usage: refuse-io-uring ERRNO ENTRIES COMMAND...\n");
    return 2;
  }
  unsigned refusal = SECCOMP_RET_ERRNO | (unsigned)atoi(arguments[1]);
  unsigned entries = (unsigned)atoi(arguments[2]);
  // setup, enter and register are three numbers in a row; the first argument of setup is the number of entries.
  struct sock_filter filter[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, __NR_io_uring_setup, 0, 2),
    BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, __NR_io_uring_register, 1, 0),
    BPF_STMT(BPF_RET | BPF_K, refusal),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_filter filter_large[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 3),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
    BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, entries, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, refusal),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = entries == 0 ? (struct sock_fprog){ sizeof filter / sizeof filter[0], filter }
                                           : (struct sock_fprog){ sizeof filter_large / sizeof filter_large[0], filter_large };
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    perror("seccomp");
    return 1;
  }
  execvp(arguments[3], arguments + 3);
  perror(arguments[3]);
  return 127;
}
