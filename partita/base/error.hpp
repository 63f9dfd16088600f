// SPDX-License-Identifier: Apache-2.0
// The errors that Partita throws:
//
//   InvalidArgument   the caller's mistake: a shape, a range, NaN logits. Names the argument, and
//                     the row and the value.
//   DataError         a file's contents are wrong: cut short, damaged, not UTF-8. Names the
//                     path and the line or byte.
//   IoError           the system refused: no such file, disk full. Names the path.
//
//   try {
//     auto model = partita::NgramModel::load("words.model");
//   } catch (const partita::Error& error) {
//     std::cerr << error.what() << '\n';  // one clear line
//   }
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace partita {

/// Base of everything that Partita throws. what() is one line: a name that a file holds, say, is
/// shown with spaces for line ends, and question marks for other control characters.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message) : std::runtime_error(one_line(message)) {}

 private:
  static std::string one_line(std::string text) {
    for (char& c : text) {
      if (c == '\n' || c == '\r' || c == '\t') c = ' ';
      if (static_cast<unsigned char>(c) < ' ' || c == '\x7F') c = '?';
    }
    return text;
  }
};

/// The caller broke a documented condition: "k: expected 1..1000 (categories), got 2000".
class InvalidArgument : public Error {
 public:
  InvalidArgument(std::string_view argument, std::string_view reason)
      : Error(std::string(argument) + ": " + std::string(reason)),
        argument_(argument),
        reason_(reason) {}

  const std::string& argument() const { return argument_; }
  const std::string& reason() const { return reason_; }

 private:
  std::string argument_;
  std::string reason_;
};

/// The contents of a file are not what they must be: "words.txt: line 3: invalid UTF-8 at byte 5".
class DataError : public Error {
 public:
  DataError(std::string_view path, std::string_view message)
      : Error(std::string(path) + ": " + std::string(message)) {}
};

/// The operating system refused: "out.npy: cannot write: No space left on device".
class IoError : public Error {
 public:
  IoError(std::string_view path, std::string_view message)
      : Error(std::string(path) + ": " + std::string(message)) {}
};

}  // namespace partita
