// The addon's per-thread state, and how a call reads its arguments.
//
// Owns: argument checks. A bad argument throws a TypeError or RangeError; what the kernel refuses is a negated errno.
// Every function here is on a hot path for someone: no allocation, no string, one Node-API call per argument.
#ifndef RINGWALL_ADDON_H
#define RINGWALL_ADDON_H

#define NAPI_VERSION 8
#include <node_api.h>

#include "kernels.h"
#include "platform.h"

enum { ADDON_ABI = 3, RINGS_MAX = 1000 };

struct mapping;
struct watch;

// One per environment (main thread, each Worker). Used only on that environment's thread, so nothing here is atomic.
struct state {
  napi_env env;
  const struct kernel* kernel;
  struct mapping* mappings;
  struct watch* watches;
  napi_async_cleanup_hook_handle hook;
  size_t holders;         // the environment, each mapping and each watch; the last one out frees the state
  size_t watches_closing; // uv_close called, its callback still to come
  bool ending;            // the environment is being torn down
  bool rings_left_open;   // it ended with a ring open: see memory.c
  size_t rings_count;
  int rings[RINGS_MAX];   // from ringSetup, not yet closed
};

void state_release(struct state* state);
// Makes our cleanup hook the newest one, so that it runs before the finalizers of every buffer made so far.
void state_hook_renew(struct state* state);

void state_watch_closed(struct state* state);

void watches_close(struct state* state);
void watch_close_descriptor(struct state* state, int descriptor);
bool is_mapping(const struct state* state, const void* data);

#define FUNCTION(name) napi_value name(napi_env env, napi_callback_info info)
FUNCTION(ring_setup);
FUNCTION(ring_enter);
FUNCTION(ring_wait);
FUNCTION(yield_processor);
FUNCTION(ring_register);
FUNCTION(ring_register_buffers);
FUNCTION(ring_map);
FUNCTION(duplicate);
FUNCTION(close_descriptor);
FUNCTION(allocate);
FUNCTION(release);
FUNCTION(address);
FUNCTION(watch);
FUNCTION(watch_keeps_alive);
FUNCTION(watch_close);
FUNCTION(lock);
FUNCTION(direct_alignment);
FUNCTION(allocate_range);
FUNCTION(cached_pages);
FUNCTION(write_at);
FUNCTION(read_at);
FUNCTION(crc32c);
FUNCTION(seal_frames);
FUNCTION(verify_frames);
FUNCTION(find_frame);

// Missing arguments arrive as undefined, and fail the check of their type.
#define ARGUMENTS(count)                                                                  \
  napi_value arguments[count];                                                            \
  struct state* state;                                                                    \
  {                                                                                       \
    size_t arguments_count = count;                                                       \
    if (napi_get_cb_info(env, info, &arguments_count, arguments, NULL, (void**)&state) != napi_ok) return NULL; \
  }

static inline napi_value throw_type(napi_env env, const char* message) {
  napi_throw_type_error(env, NULL, message);
  return NULL;
}
static inline napi_value throw_range(napi_env env, const char* message) {
  napi_throw_range_error(env, NULL, message);
  return NULL;
}

static inline napi_value undefined(napi_env env) {
  napi_value value = NULL;
  napi_get_undefined(env, &value);
  return value;
}

// A result of a syscall, a count or an offset: small ones need no heap number.
static inline napi_value number(napi_env env, int64_t result) {
  napi_value value = NULL;
  if (result == (int32_t)result) napi_create_int32(env, (int32_t)result, &value);
  else napi_create_int64(env, result, &value);
  return value;
}

// A whole number in [low, high]. False: an exception is pending.
static inline bool read_integer(napi_env env, napi_value value, double low, double high, int64_t* out) {
  double number;
  if (napi_get_value_double(env, value, &number) != napi_ok) {
    throw_type(env, "a number is required");
    return false;
  }
  // Not a number fails the comparison too.
  if (!(number >= low && number <= high) || (double)(int64_t)number != number) {
    throw_range(env, "a number is out of range or not whole");
    return false;
  }
  *out = (int64_t)number;
  return true;
}

static inline bool read_int32(napi_env env, napi_value value, int* out) {
  int64_t number;
  if (!read_integer(env, value, -2147483648.0, 2147483647.0, &number)) return false;
  *out = (int)number;
  return true;
}

static inline bool read_uint32(napi_env env, napi_value value, uint32_t* out) {
  int64_t number;
  if (!read_integer(env, value, 0, 4294967295.0, &number)) return false;
  *out = (uint32_t)number;
  return true;
}

static inline bool read_size(napi_env env, napi_value value, size_t* out) {
  int64_t number;
  if (!read_integer(env, value, 0, 9007199254740991.0, &number)) return false;
  *out = (size_t)number;
  return true;
}

// 32 bits that JavaScript may hold signed or unsigned: checksums and halves wrap as `value >>> 0` does.
static inline bool read_bits(napi_env env, napi_value value, uint32_t* out) {
  if (napi_get_value_uint32(env, value, out) == napi_ok) return true;
  throw_type(env, "a number is required");
  return false;
}

static inline bool read_halves(napi_env env, const napi_value* halves, uint64_t* out) {
  uint32_t low, high;
  if (!read_bits(env, halves[0], &low) || !read_bits(env, halves[1], &high)) return false;
  *out = (uint64_t)high << 32 | low;
  return true;
}

static inline bool read_boolean(napi_env env, napi_value value, bool* out) {
  if (napi_get_value_bool(env, value, out) == napi_ok) return true;
  throw_type(env, "a boolean is required");
  return false;
}

// An ArrayBuffer that is not detached; empty ones are refused with them, there is nothing to do in either.
static inline bool read_memory(napi_env env, napi_value value, uint8_t** data, size_t* bytes) {
  if (napi_get_arraybuffer_info(env, value, (void**)data, bytes) != napi_ok) {
    throw_type(env, "an ArrayBuffer is required");
    return false;
  }
  if (*data == NULL || *bytes == 0) {
    throw_type(env, "the ArrayBuffer is detached or empty");
    return false;
  }
  return true;
}

// An array of 32-bit elements with room for `count_min` of them.
static inline bool read_array32(napi_env env, napi_value value, size_t count_min, uint32_t** data) {
  napi_typedarray_type type;
  size_t count;
  if (napi_get_typedarray_info(env, value, &type, &count, (void**)data, NULL, NULL) != napi_ok ||
      (type != napi_uint32_array && type != napi_int32_array)) {
    throw_type(env, "a Uint32Array is required");
    return false;
  }
  if (count < count_min || *data == NULL) {
    throw_range(env, "the Uint32Array is too short");
    return false;
  }
  return true;
}

#endif
