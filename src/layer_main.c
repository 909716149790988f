/* layer_main.c - main of every layer-* test: it links one whole component with its declared
 * dependencies, so a call to a layer above fails at link time. Running it proves nothing more. */
int main(void)
{
    return 0;
}
