// SPDX-License-Identifier: Apache-2.0
// Internal to partita/c: what is behind the handles, and how an exception becomes a status.
#pragma once

#include <algorithm>
#include <cstring>
#include <exception>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "partita/base/error.hpp"
#include "partita/c/partita.h"
#include "partita/random/stream.hpp"
#include "partita/sampler/owned_settings.hpp"

struct partita_sampler : partita::OwnedSamplerSettings {};

namespace partita::c {

/// What a caller's function said when it returned something other than 0.
struct CallbackFailed {
  std::string message;
};

inline void write(partita_error* error, std::string_view message) noexcept {
  if (error == nullptr) return;
  const std::size_t size = std::min(message.size(), sizeof error->message - 1);
  std::memcpy(error->message, message.data(), size);
  error->message[size] = '\0';
}

/// Runs body(), and says how it ended.
template <class Body>
partita_status guard(partita_error* error, const Body& body) noexcept {
  write(error, "");
  try {
    body();
    return PARTITA_OK;
  } catch (const InvalidArgument& e) {
    write(error, e.what());
    return PARTITA_INVALID_ARGUMENT;
  } catch (const CallbackFailed& e) {
    write(error, e.message);
    return PARTITA_CALLBACK_FAILED;
  } catch (const std::bad_alloc&) {
    write(error, "out of memory");
  } catch (const std::exception& e) {
    write(error, e.what());
  } catch (...) {
    write(error, "an unknown failure");
  }
  return PARTITA_FAILED;
}

/// The argument itself. @throws InvalidArgument if it is null
template <class T>
T* not_null(const char* name, T* pointer) {
  if (pointer == nullptr) throw InvalidArgument(name, "expected a pointer, got null");
  return pointer;
}

/// An array, which may only be null if it is empty.
template <class T>
std::span<T> array(const char* name, T* data, std::size_t count) {
  if (count > 0) not_null(name, data);
  return {data, count};
}

inline Stream stream_of(const partita_stream& stream) {
  return {stream.seed, stream.id, {stream.path[0], stream.path[1], stream.path[2]}};
}

}  // namespace partita::c
