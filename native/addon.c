// Entry point of the addon: state per environment, the table of functions, and the end of an environment.
//
// Owns: the order of tear-down. A Worker can be terminated at any instruction, with operations in flight in a ring
// that nobody will close any more:
//   1. our hook runs first (state_hook_renew): watches are closed, then the rings that were left open;
//   2. then Node finalizes the buffers; memory.c gives the pages back but keeps the addresses (see there);
//   3. the hook is asynchronous: Node turns the loop until the watches' handles are really closed. Without that,
//      the Worker's loop would be freed with a handle in it, and Node aborts the process.
#include "addon.h"

static void finish_hook(struct state* state) {
  if (!state->ending || state->watches_closing != 0 || state->hook == NULL) return;
  napi_async_cleanup_hook_handle hook = state->hook;
  state->hook = NULL;
  napi_remove_async_cleanup_hook(hook);
}

static void end(napi_async_cleanup_hook_handle handle, void* data) {
  struct state* state = data;
  (void)handle;
  state->ending = true;
  watches_close(state);
  state->rings_left_open = state->rings_count != 0;
  while (state->rings_count != 0) syscall2(SYS_CLOSE, state->rings[--state->rings_count], 0);
  finish_hook(state);
}

void state_hook_renew(struct state* state) {
  if (state->ending) return;
  if (state->hook != NULL) napi_remove_async_cleanup_hook(state->hook);
  state->hook = NULL;
  napi_add_async_cleanup_hook(state->env, end, state, &state->hook);
}

void state_watch_closed(struct state* state) {
  state->watches_closing--;
  finish_hook(state);
}

void state_release(struct state* state) {
  if (--state->holders == 0) pages_free(state, sizeof *state);
}

static void finalize_state(napi_env env, void* data, void* hint) {
  (void)env, (void)hint;
  state_release(data);
}

// Beside the contract, for tests and benchmarks: selectKernel(index) takes the kernel with that index for this
// thread, best first. Returns its name, or undefined when the CPU has no more.
static FUNCTION(select_kernel) {
  ARGUMENTS(1)
  uint32_t index;
  if (!read_uint32(env, arguments[0], &index)) return NULL;
  const struct kernel* kernel = kernel_at(index);
  if (kernel == NULL) return undefined(env);
  state->kernel = kernel;
  napi_value name = NULL;
  napi_create_string_utf8(env, kernel->name, NAPI_AUTO_LENGTH, &name);
  return name;
}

static const struct {
  const char* name;
  napi_callback call;
} functions[] = {
  { "ringSetup", ring_setup },
  { "ringEnter", ring_enter },
  { "ringWait", ring_wait },
  { "yieldProcessor", yield_processor },
  { "ringRegister", ring_register },
  { "ringRegisterBuffers", ring_register_buffers },
  { "ringMap", ring_map },
  { "duplicate", duplicate },
  { "closeDescriptor", close_descriptor },
  { "allocate", allocate },
  { "release", release },
  { "address", address },
  { "watch", watch },
  { "watchKeepsAlive", watch_keeps_alive },
  { "watchClose", watch_close },
  { "lock", lock },
  { "directAlignment", direct_alignment },
  { "allocateRange", allocate_range },
  { "cachedPages", cached_pages },
  { "writeAt", write_at },
  { "readAt", read_at },
  { "crc32c", crc32c },
  { "sealFrames", seal_frames },
  { "verifyFrames", verify_frames },
  { "findFrame", find_frame },
  { "selectKernel", select_kernel },
};

NAPI_MODULE_INIT() {
  struct state* state = pages_allocate(sizeof *state);
  if (state == NULL) {
    napi_throw_error(env, NULL, "out of memory");
    return NULL;
  }
  state->env = env;
  state->kernel = kernel_at(0);
  state->holders = 1;
  if (napi_set_instance_data(env, state, finalize_state, NULL) != napi_ok) {
    pages_free(state, sizeof *state);
    return NULL;
  }
  state_hook_renew(state);

  napi_value value;
  for (size_t index = 0; index < sizeof functions / sizeof functions[0]; index++) {
    if (napi_create_function(env, functions[index].name, NAPI_AUTO_LENGTH, functions[index].call, state, &value) != napi_ok) return NULL;
    if (napi_set_named_property(env, exports, functions[index].name, value) != napi_ok) return NULL;
  }
  if (napi_create_int32(env, ADDON_ABI, &value) != napi_ok || napi_set_named_property(env, exports, "abi", value) != napi_ok) return NULL;
  if (napi_create_string_utf8(env, state->kernel->name, NAPI_AUTO_LENGTH, &value) != napi_ok) return NULL;
  if (napi_set_named_property(env, exports, "crc32cKernel", value) != napi_ok) return NULL;
  return exports;
}
