#include "server/api_error.h"

#include "base/error.h"

namespace glassbox {

ApiError error_of(std::exception_ptr thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const ApiError& error) { return error; } catch (const Error& error) {
    std::string message = error.what();
    // The engine's errors begin with the name of what is wrong: "temperature: expected ...".
    size_t end = message.find_first_not_of("abcdefghijklmnopqrstuvwxyz_");
    std::string param = end != std::string::npos && message[end] == ':' ? message.substr(0, end) : "";
    switch (error.kind()) {
      case ErrorKind::bad_request:
        return ApiError(400, message, "invalid_value", param);
      case ErrorKind::unsupported:
        return ApiError(400, message, "unsupported_parameter", param);
      case ErrorKind::full:
        return ApiError(400, message, "context_length_exceeded", param);
      default:
        return ApiError::hidden(message);
    }
  } catch (const std::bad_alloc&) {
    return ApiError(500, "out of memory", "server_error");
  } catch (const std::exception& error) { return ApiError::hidden(error.what()); } catch (...) {
    return ApiError::hidden("an error without a name");
  }
}

}  // namespace glassbox
