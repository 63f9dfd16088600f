// SPDX-License-Identifier: Apache-2.0
// The line that an error shows, for tests that compare it with what was promised.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <typeinfo>

namespace partita::testing {

/// what() of the Exception that `action` throws. A test failure if it throws nothing or another
/// one.
template <class Exception, class Action>
std::string message_of(const Action& action) {
  try {
    action();
  } catch (const Exception& error) {
    std::string message = error.what();
    EXPECT_EQ(message.find('\n'), std::string::npos) << "more than one line: " << message;
    return message;
  } catch (const std::exception& error) {
    ADD_FAILURE() << "expected " << typeid(Exception).name() << ", got " << typeid(error).name()
                  << ": " << error.what();
    return {};
  }
  ADD_FAILURE() << "expected " << typeid(Exception).name() << ", nothing was thrown";
  return {};
}

}  // namespace partita::testing
