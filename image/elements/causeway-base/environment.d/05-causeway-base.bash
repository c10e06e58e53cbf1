# Before debian-minimal (10) takes the current stable release.
export DIB_RELEASE=${DIB_RELEASE:-trixie}
# Otherwise eth0 and eth1 get DHCP by ifupdown.
export DIB_APT_MINIMAL_CREATE_INTERFACES=0
export DIB_DEBOOTSTRAP_DEFAULT_LOCALE=${DIB_DEBOOTSTRAP_DEFAULT_LOCALE:-C.UTF-8}
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:?seconds since 1970 that files are dated with}
