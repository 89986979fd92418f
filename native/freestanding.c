// What the compiler may call on its own account. Without a C library to link against they are ours, and hidden.
// Built with -fno-tree-loop-distribute-patterns: otherwise these loops would be compiled into calls to themselves.
#include <stddef.h>

void* memcpy(void* restrict to, const void* restrict from, size_t bytes);
void* memmove(void* to, const void* from, size_t bytes);
void* memset(void* to, int value, size_t bytes);

void* memcpy(void* restrict to, const void* restrict from, size_t bytes) {
  for (size_t index = 0; index < bytes; index++) ((char*)to)[index] = ((const char*)from)[index];
  return to;
}

void* memmove(void* to, const void* from, size_t bytes) {
  if ((char*)to <= (const char*)from) return memcpy(to, from, bytes);
  while (bytes-- != 0) ((char*)to)[bytes] = ((const char*)from)[bytes];
  return to;
}

void* memset(void* to, int value, size_t bytes) {
  for (size_t index = 0; index < bytes; index++) ((char*)to)[index] = (char)value;
  return to;
}
