// The byte kernels as JavaScript calls them.
#include "addon.h"

FUNCTION(crc32c) {
  ARGUMENTS(2)
  napi_typedarray_type type;
  void* data;
  size_t length;
  uint32_t previous;
  if (napi_get_typedarray_info(env, arguments[0], &type, &length, &data, NULL, NULL) != napi_ok || type != napi_uint8_array) {
    return throw_type(env, "a Uint8Array is required");
  }
  if (!read_bits(env, arguments[1], &previous)) return NULL;
  napi_value result = NULL;
  napi_create_uint32(env, state->kernel->checksum(data, length, previous), &result);
  return result;
}

static bool read_frames(napi_env env, const napi_value* arguments, struct frames* frames) {
  size_t length;
  if (!read_memory(env, arguments[0], &frames->memory, &length) || !read_size(env, arguments[1], &frames->start) ||
      !read_size(env, arguments[2], &frames->end) || !read_bits(env, arguments[3], &frames->seed) ||
      !read_halves(env, arguments + 4, &frames->position)) return false;
  if (frames->start <= frames->end && frames->end <= length && frames->start % 8 == 0) return true;
  throw_range(env, "the range lies outside the memory or does not start at a multiple of 8");
  return false;
}

FUNCTION(seal_frames) {
  ARGUMENTS(6)
  struct frames frames;
  if (!read_frames(env, arguments, &frames)) return NULL;
  return number(env, state->kernel->seal(&frames));
}

FUNCTION(verify_frames) {
  ARGUMENTS(6)
  struct frames frames;
  if (!read_frames(env, arguments, &frames)) return NULL;
  return number(env, (int64_t)state->kernel->verify(&frames));
}

FUNCTION(find_frame) {
  ARGUMENTS(6)
  struct frames frames;
  if (!read_frames(env, arguments, &frames)) return NULL;
  return number(env, (int64_t)state->kernel->find(&frames));
}
