# The server: HTTP over Boost.Beast, one translator a dialect, and the pages.
find_package(Boost 1.81 REQUIRED)
find_package(prometheus-cpp REQUIRED CONFIG)
glassbox_floor(server USES glassbox_base Boost::headers prometheus-cpp::core)
