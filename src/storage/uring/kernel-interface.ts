// Numbers of the kernel's io_uring interface that this backend uses, as include/uapi/linux/io_uring.h gives them.
//
// Offsets into structures are counted in 32-bit words, for everything here is read and written through a Uint32Array.

export const opcode = { nop: 0, fsync: 3, writev: 2, readFixed: 4, writeFixed: 5, read: 22, write: 23 } as const;

/** Of younger kernels; used where the kernel says that it has them. */
export const youngOpcode = { /** 6.15 */ writevFixed: 61 } as const;

/** Used where the kernel has them. `messageRing`: IORING_OP_MSG_RING, Linux 5.18. */
export const optionalOpcode = { messageRing: 40 } as const;

export const entryFlag = { fixedFile: 1, link: 4, async: 16, skipSuccess: 64 } as const;

export const setup = {
  ioPoll: 1 << 0,
  sqPoll: 1 << 1,
  sqAffinity: 1 << 2,
  clamp: 1 << 4,
  attachQueue: 1 << 5,
  coopTaskrun: 1 << 8,
  taskrunFlag: 1 << 9,
  singleIssuer: 1 << 12,
  deferTaskrun: 1 << 13,
} as const;

export const feature = { singleMmap: 1, noDrop: 2 } as const;

export const enter = { getEvents: 1, sqWakeup: 2 } as const;

/** Flags that the kernel raises in the submission ring. */
export const ringFlag = { needWakeup: 1, completionsOverflow: 2, taskrun: 4 } as const;

export const register = { files: 2, filesUpdate: 6, probe: 8 } as const;

export const fsyncDataOnly = 1;
export const writeDsync = 2;

/** `struct io_uring_params`: 30 words. */
export const paramsWords = 30;
export const params = { entries: 0, completionEntries: 1, flags: 2, pollCpu: 3, pollIdleMillis: 4, features: 5, attachTo: 6, submission: 10, completion: 20 } as const;
/** `struct io_sqring_offsets`, from `params.submission`. The values are bytes into the mapping. */
export const submissionOffset = { head: 0, tail: 1, mask: 2, flags: 4, array: 6 } as const;
/** `struct io_cqring_offsets`, from `params.completion`. */
export const completionOffset = { head: 0, tail: 1, mask: 2, overflow: 4, entries: 5 } as const;

export const mapOffset = { rings: 0, entries: 0x1000_0000 } as const;

/** `struct io_uring_sqe`: 16 words. */
export const entryWords = 16;
/** `struct io_uring_cqe`: user data (2 words), result, flags. */
export const completionWords = 4;

/** `struct io_uring_probe` for all 256 opcodes. */
export const probeBytes = 16 + 256 * 8;
export const probeSupported = 1;

export const errno = { EPERM: 1, EINTR: 4, EIO: 5, EAGAIN: 11, ENOMEM: 12, EACCES: 13, EBUSY: 16, EINVAL: 22, ENOSYS: 38, EOPNOTSUPP: 95, ECANCELED: 125 } as const;
