"""Object stores with obstore's API, on libcurl."""
