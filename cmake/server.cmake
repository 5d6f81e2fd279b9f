# The server: HTTP over Boost.Beast, one translator a dialect, and the pages.
find_package(Boost 1.81 REQUIRED)
find_package(prometheus-cpp REQUIRED CONFIG)
glassbox_floor(server USES glassbox_engine glassbox_web Boost::headers prometheus-cpp::core)
target_compile_definitions(glassbox_server PRIVATE GLASSBOX_VERSION="${PROJECT_VERSION}")
