// The io_uring syscalls. The rings themselves are managed in TypeScript; here nothing looks inside them.
#include "addon.h"

enum { PARAMS_WORDS = 30, SETUP_REGISTERED_FD_ONLY = 1 << 15 };
enum { ENTER_GETEVENTS = 1, ENTER_EXT_ARG = 8 };
enum { REGISTER_BUFFERS = 0, BUFFERS_COUNT_MAX = 16384 };

FUNCTION(ring_setup) {
  ARGUMENTS(2)
  uint32_t entries, *params;
  if (!read_uint32(env, arguments[0], &entries) || !read_array32(env, arguments[1], PARAMS_WORDS, &params)) return NULL;
  // It would return an index that is no descriptor; neither watch nor ringMap could use it.
  if (params[2] & SETUP_REGISTERED_FD_ONLY) return number(env, -ERRNO_INVAL);
  if (state->rings_count == RINGS_MAX) return number(env, -ERRNO_MFILE);
  long result = syscall2(SYS_IO_URING_SETUP, entries, (long)params);
  if (!is_failure(result)) state->rings[state->rings_count++] = (int)result;
  return number(env, result);
}

FUNCTION(ring_enter) {
  ARGUMENTS(4)
  int descriptor;
  uint32_t submit, completions, flags;
  if (!read_int32(env, arguments[0], &descriptor) || !read_uint32(env, arguments[1], &submit) ||
      !read_uint32(env, arguments[2], &completions) || !read_uint32(env, arguments[3], &flags)) return NULL;
  return number(env, syscall6(SYS_IO_URING_ENTER, descriptor, submit, completions, flags, 0, 0));
}

FUNCTION(ring_wait) {
  ARGUMENTS(4)
  int descriptor;
  uint32_t submit, completions;
  size_t micros;
  if (!read_int32(env, arguments[0], &descriptor) || !read_uint32(env, arguments[1], &submit) ||
      !read_uint32(env, arguments[2], &completions) || !read_size(env, arguments[3], &micros)) return NULL;
  struct { int64_t seconds, nanos; } timeout = { (int64_t)(micros / 1000000), (int64_t)(micros % 1000000 * 1000) };
  struct { uint64_t mask; uint32_t mask_bytes, wait_micros_min; uint64_t timeout; } argument = { 0, 0, 0, (uint64_t)(uintptr_t)&timeout };
  return number(env, syscall6(SYS_IO_URING_ENTER, descriptor, submit, completions, ENTER_GETEVENTS | ENTER_EXT_ARG,
                              (long)&argument, sizeof argument));
}

FUNCTION(yield_processor) {
  (void)info;
  return number(env, syscall2(SYS_SCHED_YIELD, 0, 0));
}

// How many bytes the kernel reads or writes at the argument: fixed + each * count. It knows no length of its own, so a
// short array would be overrun inside the JavaScript heap. An operation that is not listed is refused as unknown.
static const struct { uint8_t known, fixed, each; } registrations[] = {
  [0] = { 1, 0, 16 },  // BUFFERS
  [1] = { 1, 0, 0 },   // UNREGISTER_BUFFERS
  [2] = { 1, 0, 4 },   // FILES
  [3] = { 1, 0, 0 },   // UNREGISTER_FILES
  [4] = { 1, 4, 0 },   // EVENTFD
  [5] = { 1, 0, 0 },   // UNREGISTER_EVENTFD
  [6] = { 1, 16, 0 },  // FILES_UPDATE
  [7] = { 1, 4, 0 },   // EVENTFD_ASYNC
  [8] = { 1, 16, 8 },  // PROBE
  [9] = { 1, 0, 0 },   // PERSONALITY
  [10] = { 1, 0, 0 },  // UNREGISTER_PERSONALITY
  [11] = { 1, 0, 16 }, // RESTRICTIONS
  [12] = { 1, 0, 0 },  // ENABLE_RINGS
  [13] = { 1, 0, 1 },  // FILES2: the count is the size
  [14] = { 1, 0, 1 },  // FILES_UPDATE2
  [15] = { 1, 0, 1 },  // BUFFERS2
  [16] = { 1, 0, 1 },  // BUFFERS_UPDATE
  [17] = { 1, 0, 1 },  // IOWQ_AFF
  [18] = { 1, 0, 0 },  // UNREGISTER_IOWQ_AFF
  [19] = { 1, 8, 0 },  // IOWQ_MAX_WORKERS
  [20] = { 1, 0, 16 }, // RING_FDS
  [21] = { 1, 0, 16 }, // UNREGISTER_RING_FDS
  [22] = { 1, 40, 0 }, // PBUF_RING
  [23] = { 1, 40, 0 }, // UNREGISTER_PBUF_RING
  [24] = { 1, 64, 0 }, // SYNC_CANCEL
  [25] = { 1, 16, 0 }, // FILE_ALLOC_RANGE
  [26] = { 1, 40, 0 }, // PBUF_STATUS
  [27] = { 1, 16, 0 }, // NAPI
  [28] = { 1, 16, 0 }, // UNREGISTER_NAPI
  [29] = { 1, 16, 0 }, // CLOCK
};

FUNCTION(ring_register) {
  ARGUMENTS(4)
  int descriptor;
  uint32_t operation, count;
  void* data = NULL;
  size_t bytes = 0;
  napi_valuetype type;
  if (!read_int32(env, arguments[0], &descriptor) || !read_uint32(env, arguments[1], &operation) || !read_uint32(env, arguments[3], &count)) return NULL;
  if (napi_typeof(env, arguments[2], &type) != napi_ok) return NULL;
  if (type != napi_null) {
    napi_typedarray_type kind;
    if (napi_get_typedarray_info(env, arguments[2], &kind, &bytes, &data, NULL, NULL) != napi_ok) return throw_type(env, "a typed array or null is required");
    if (kind == napi_uint32_array || kind == napi_int32_array) bytes *= 4;
    else if (kind != napi_uint8_array) return throw_type(env, "a Uint8Array, Uint32Array, Int32Array or null is required");
    if (operation >= sizeof registrations / sizeof registrations[0] || !registrations[operation].known) return number(env, -ERRNO_INVAL);
    if (bytes < registrations[operation].fixed + (uint64_t)registrations[operation].each * count) return throw_range(env, "the argument is shorter than the kernel would read");
  }
  return number(env, syscall4(SYS_IO_URING_REGISTER, descriptor, operation, (long)data, count));
}

FUNCTION(ring_register_buffers) {
  ARGUMENTS(4)
  int descriptor;
  uint8_t* data;
  size_t length, bytes, count;
  if (!read_int32(env, arguments[0], &descriptor) || !read_memory(env, arguments[1], &data, &length) ||
      !read_size(env, arguments[2], &bytes) || !read_size(env, arguments[3], &count)) return NULL;
  if (!is_mapping(state, data)) return throw_type(env, "the ArrayBuffer is not from allocate");
  if (bytes == 0 || count == 0 || count > BUFFERS_COUNT_MAX || bytes > length / count) return throw_range(env, "the buffers do not fit into the memory");
  struct io_vector* vectors = pages_allocate(count * sizeof *vectors);
  if (vectors == NULL) return number(env, -ERRNO_NOMEM);
  size_t vectors_count = RINGWALL_PLANT == PLANT_OVERFLOW ? count + 1 : count;
  for (size_t index = 0; index < vectors_count; index++) vectors[index] = (struct io_vector){ data + index * bytes, bytes };
  long result = syscall4(SYS_IO_URING_REGISTER, descriptor, REGISTER_BUFFERS, (long)vectors, (long)count);
  if (RINGWALL_PLANT == PLANT_UNDEFINED) result <<= count + 63;
  if (RINGWALL_PLANT != PLANT_LEAK) pages_free(vectors, count * sizeof *vectors);
  return number(env, result);
}

FUNCTION(duplicate) {
  enum { DUPLICATE_CLOSED_ON_EXEC = 1030 };
  ARGUMENTS(1)
  int descriptor;
  if (!read_int32(env, arguments[0], &descriptor)) return NULL;
  return number(env, syscall4(SYS_FCNTL, descriptor, DUPLICATE_CLOSED_ON_EXEC, 0, 0));
}

FUNCTION(close_descriptor) {
  ARGUMENTS(1)
  int descriptor;
  if (!read_int32(env, arguments[0], &descriptor)) return NULL;
  // The mapped regions keep a closed ring alive, and the event loop's poll set with it: it would go on reporting under a
  // number that may by then belong to another file.
  watch_close_descriptor(state, descriptor);
  for (size_t index = 0; index < state->rings_count; index++) {
    if (state->rings[index] != descriptor) continue;
    state->rings[index] = state->rings[--state->rings_count];
    break;
  }
  return number(env, syscall2(SYS_CLOSE, descriptor, 0));
}
