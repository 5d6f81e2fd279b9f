#include "server/api_error.h"

#include <new>

namespace glassbox {
namespace {

ApiError error_of(const Error& error) {
  switch (error.kind()) {
    case ErrorKind::bad_request:
      return ApiError(400, error.what(), "invalid_value", error.subject());
    case ErrorKind::unsupported:
      return ApiError(400, error.what(), "unsupported_parameter", error.subject());
    case ErrorKind::full:
      return ApiError(400, error.what(), "context_length_exceeded", error.subject());
    default:
      return ApiError::hidden(error.what());
  }
}

}  // namespace

ApiError error_of(std::exception_ptr thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const ApiError& error) { return error; } catch (const Error& error) {
    return error_of(error);
  } catch (const std::bad_alloc&) {
    return ApiError(500, "out of memory", "server_error");
  } catch (const std::exception& error) { return ApiError::hidden(error.what()); } catch (...) {
    return ApiError::hidden("an error without a name");
  }
}

ApiError error_of_failure(const Error& failure) {
  switch (failure.kind()) {
    case ErrorKind::full:
      return ApiError(503, failure.what(), "out_of_memory", failure.subject());
    case ErrorKind::io:  // of a file that is mapped: its message names the model and what it calls the file
      return ApiError(503, failure.what(), "model_damaged", failure.subject());
    case ErrorKind::bad_file:
      return ApiError::hidden(503, "the model's files do not hold what they should; the server's log says where",
                              "model_damaged", failure.what());
    case ErrorKind::not_finite:
      return ApiError(500, failure.what(), "not_finite", failure.subject());
    default:
      return error_of(failure);
  }
}

}  // namespace glassbox
