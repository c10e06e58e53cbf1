# After debian-minimal (10), which says where Debian comes from. None of it stays in the image.
export DIB_APT_SOURCES_CONF="${DIB_APT_SOURCES_CONF%$'\n'}
backports:deb ${DIB_DISTRIBUTION_MIRROR} ${DIB_RELEASE}-backports ${DIB_DEBIAN_COMPONENTS_WS}
"
